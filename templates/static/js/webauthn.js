// The ceremonies of WebAuthn and their failures as codes. The browser's own
// JSON helpers are used where they exist and work; older browsers and password
// managers whose objects have none get the encoder and decoder below.
import { Failure } from './api.js'

/** obstacle is why no ceremony can work here, or null. */
export function obstacle() {
  const { rpid, origin } = document.documentElement.dataset
  if (!window.isSecureContext) return new Failure('insecure')
  if (!window.PublicKeyCredential || !navigator.credentials) return new Failure('not_supported')
  const inside = location.hostname === rpid || location.hostname.endsWith(`.${rpid}`)
  if (!inside || location.origin !== new URL(origin).origin) return new Failure('wrong_site')
  return null
}

/** canAutofill tells whether passkeys appear in the username field. */
export async function canAutofill() {
  try {
    return Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.())
  } catch {
    return false
  }
}

/** create makes a passkey and gives it as RegistrationResponseJSON. */
export async function create(json, signal) {
  try {
    const credential = await navigator.credentials.create({ publicKey: creationOptions(json), signal })
    return toJSON(credential)
  } catch (error) {
    throw failureOf(error, 'create')
  }
}

/** get uses a passkey and gives AuthenticationResponseJSON. */
export async function get(json, { signal, mediation } = {}) {
  try {
    const options = { publicKey: requestOptions(json), signal }
    if (mediation) options.mediation = mediation
    return toJSON(await navigator.credentials.get(options))
  } catch (error) {
    throw failureOf(error, 'get')
  }
}

const codes = {
  NotAllowedError: 'cancelled',
  AbortError: 'aborted',
  SecurityError: 'wrong_site',
  NotSupportedError: 'no_screen_lock',
  ConstraintError: 'no_screen_lock',
}

function failureOf(error, ceremony) {
  if (error instanceof Failure) return error
  if (error?.name === 'InvalidStateError' && ceremony === 'create') return new Failure('already_registered')
  return new Failure(codes[error?.name] ?? 'provider_failed', { request_id: error?.name })
}

/** tell passes on what the server says about the account's passkeys, so that
    password managers drop what is gone. No request may be pending then. An
    empty list would delete every passkey, so none is ever sent. */
export async function tell(signals) {
  const calls = []
  if (signals?.allAccepted?.allAcceptedCredentialIds?.length > 0) calls.push(['signalAllAcceptedCredentials', signals.allAccepted])
  if (signals?.currentUser) calls.push(['signalCurrentUserDetails', signals.currentUser])
  if (signals?.credentialId) calls.push(['signalUnknownCredential', signals])
  for (const [name, details] of calls) {
    try {
      await Promise.race([window.PublicKeyCredential?.[name]?.(details), new Promise((done) => setTimeout(done, 1000))])
    } catch {
      // A courtesy to the password manager: sign-in does not depend on it.
    }
  }
}

function creationOptions(json) {
  try {
    if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(json)
  } catch (error) {
    if (error?.name === 'SecurityError') throw error
  }
  return {
    ...json,
    challenge: decode(json.challenge),
    user: { ...json.user, id: decode(json.user.id) },
    excludeCredentials: descriptors(json.excludeCredentials),
  }
}

function requestOptions(json) {
  try {
    if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(json)
  } catch (error) {
    if (error?.name === 'SecurityError') throw error
  }
  return { ...json, challenge: decode(json.challenge), allowCredentials: descriptors(json.allowCredentials) }
}

function descriptors(list) {
  return (list ?? []).map((entry) => ({ ...entry, id: decode(entry.id) }))
}

function toJSON(credential) {
  if (!credential) throw new Failure('cancelled')
  try {
    if (typeof credential.toJSON === 'function') return credential.toJSON()
  } catch {
    // Some password managers hand out objects whose toJSON fails.
  }
  const response = credential.response
  const json = { clientDataJSON: encode(response.clientDataJSON) }
  for (const member of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[member]) json[member] = encode(response[member])
  }
  if (response.attestationObject && response.getTransports) json.transports = response.getTransports()
  const whole = {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    response: json,
    clientExtensionResults: credential.getClientExtensionResults?.() ?? {},
  }
  if (credential.authenticatorAttachment) whole.authenticatorAttachment = credential.authenticatorAttachment
  return whole
}

function decode(text) {
  const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)).buffer
}

function encode(buffer) {
  const bytes = new Uint8Array(buffer)
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
