// An application on npm's openid-client. It reads what to do as one JSON line
// and walks every flow; where a browser is needed it prints {"open": URL} and
// reads the address that the browser came back to. Whatever is not as the
// standards say ends it with an error.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // Node 18
const client = await import('openid-client')
const jose = await import('jose')

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const browser = async (url) => {
  console.log(JSON.stringify({ open: url.href }))
  return new URL((await read()).url)
}

const { issuer, subject, apps, machine } = await read()
const methods = {
  client_secret_basic: (app) => client.ClientSecretBasic(app.secret),
  client_secret_post: (app) => client.ClientSecretPost(app.secret),
  client_secret_jwt: (app) => client.ClientSecretJwt(app.secret),
  private_key_jwt: async (app) => client.PrivateKeyJwt({ key: await jose.importJWK(app.key, app.key.alg), kid: app.key.kid }),
  none: () => client.None(),
}

const discover = async (app) => {
  const metadata = { id_token_signed_response_alg: app.alg }
  if (app.opens) metadata.userinfo_signed_response_alg = app.alg
  const config = await client.discovery(new URL(issuer), app.id, metadata, await methods[app.method](app), {
    execute: [client.allowInsecureRequests], // http, for localhost only
  })
  client.enableNonRepudiationChecks(config) // signatures too, although the tokens came directly
  if (app.opens) client.enableDecryptingResponses(config, undefined, { key: await jose.importJWK(app.opens, app.opens.alg), alg: app.opens.alg, kid: app.opens.kid })
  return config
}

// signed is the ID token as it was signed: of an application with a key that
// opens, it comes encrypted (npm's jose).
const signed = async (app, token) => {
  if (!app.opens) return token
  const { plaintext, protectedHeader } = await jose.compactDecrypt(token, await jose.importJWK(app.opens, app.opens.alg))
  assert.deepEqual([protectedHeader.alg, protectedHeader.enc, protectedHeader.cty, protectedHeader.kid], [app.opens.alg, 'A256GCM', 'JWT', app.opens.kid])
  return new TextDecoder().decode(plaintext)
}

const walk = async (app) => {
  const config = await discover(app)
  const server = config.serverMetadata()
  const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri))

  const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce()
  const request = {
    redirect_uri: app.redirect, scope: 'openid profile email groups offline_access', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }
  const back = await browser(client.buildAuthorizationUrl(config, request))
  const tokens = await client.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: 600,
  })
  assert.equal(tokens.token_type, 'bearer') // openid-client writes it in lower case
  assert.equal(tokens.expires_in, 600)
  assert.equal(tokens.claims().sub, subject)

  const id = await jose.jwtVerify(await signed(app, tokens.id_token), keys, { issuer, audience: app.id, subject, algorithms: [app.alg], typ: 'JWT' })
  assert.equal(id.payload.acr, 'phr')
  const access = await jose.jwtVerify(tokens.access_token, keys, { issuer, audience: issuer, subject, algorithms: ['ES256'], typ: 'at+jwt' })
  assert.equal(access.payload.client_id, app.id)
  assert.equal(access.payload.exp - access.payload.iat, 600)

  const person = await client.fetchUserInfo(config, tokens.access_token, subject)
  assert.equal(person.preferred_username, 'alice')
  assert.equal(person.email, 'alice@example.com')
  assert.equal(person.email_verified, true)

  const next = await client.refreshTokenGrant(config, tokens.refresh_token, { scope: 'openid profile' })
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  assert.equal(next.scope, 'openid profile')
  assert.equal(next.claims().sub, subject)
  assert.equal(next.claims().auth_time, tokens.claims().auth_time)

  const confidential = app.method !== 'none'
  const active = async (token) => (await client.tokenIntrospection(config, token)).active
  if (confidential) {
    const told = await client.tokenIntrospection(config, next.access_token)
    assert.equal(told.active, true)
    assert.equal(told.sub, subject)
    assert.equal(told.scope, 'openid profile')
    assert.equal(await active(next.refresh_token), true)
    assert.equal(await active('unknown'), false)
  } else {
    await assert.rejects(active(next.access_token), { error: 'invalid_client' })
  }
  await client.tokenRevocation(config, next.refresh_token)
  await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), { error: 'invalid_grant', status: 400 })
  await assert.rejects(client.fetchUserInfo(config, next.access_token, subject), (e) => e.cause?.[0]?.parameters?.error === 'invalid_token')
  if (confidential) assert.equal(await active(tokens.access_token), false)

  // The code was spent, and a request that cannot be answered says why.
  await assert.rejects(client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }), { error: 'invalid_grant' })
  const refused = await browser(client.buildAuthorizationUrl(config, { ...request, scope: 'openid', prompt: 'none', max_age: '0' }))
  await assert.rejects(client.authorizationCodeGrant(config, refused, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }),
    { error: 'login_required', code: 'OAUTH_AUTHORIZATION_RESPONSE_ERROR' })

  const out = await browser(client.buildEndSessionUrl(config, { id_token_hint: await signed(app, next.id_token), post_logout_redirect_uri: app.bye, state: 'see you' }))
  assert.equal(out.href, `${app.bye}?state=see+you`)
  const gone = await browser(client.buildAuthorizationUrl(config, { ...request, prompt: 'none' }))
  await assert.rejects(client.authorizationCodeGrant(config, gone, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }), { error: 'login_required' })
}

// ask sends a request object that is signed, then encrypted to a key of latchkey,
// by npm's jose (RFC 9101 6.1).
const ask = async (app, alg) => {
  const config = await discover(app)
  const { jwks_uri } = config.serverMetadata()
  const { keys } = await (await fetch(jwks_uri)).json()
  const to = keys.find((key) => key.use === 'enc' && key.alg === alg)
  const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce()
  const claims = {
    iss: app.id, aud: issuer, client_id: app.id, redirect_uri: app.redirect, response_type: 'code', scope: 'openid', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }
  const signer = await jose.importJWK(app.key, app.key.alg)
  const jws = await new jose.SignJWT(claims).setProtectedHeader({ alg: app.key.alg, kid: app.key.kid, typ: 'oauth-authz-req+jwt' }).setIssuedAt().setExpirationTime('1m').sign(signer)
  const jwe = await new jose.CompactEncrypt(new TextEncoder().encode(jws)).setProtectedHeader({ alg, enc: 'A256GCM', kid: to.kid, cty: 'JWT' }).encrypt(await jose.importJWK(to, alg))
  const url = new URL(config.serverMetadata().authorization_endpoint)
  url.search = new URLSearchParams({ client_id: app.id, response_type: 'code', scope: 'openid', request: jwe })
  const tokens = await client.authorizationCodeGrant(config, await browser(url), { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
  assert.equal(tokens.claims().sub, subject)
}

for (const app of apps) await walk(app)
for (const app of apps.filter((app) => app.key)) {
  for (const alg of ['RSA-OAEP-256', 'ECDH-ES']) await ask(app, alg)
}

const config = await discover(machine)
const own = await client.clientCredentialsGrant(config, { scope: 'jobs:run' })
assert.deepEqual([own.scope, own.expires_in, own.id_token, own.refresh_token], ['jobs:run', 600, undefined, undefined])
assert.equal((await client.tokenIntrospection(config, own.access_token)).sub, machine.id)
await client.tokenRevocation(config, own.access_token)
assert.equal((await client.tokenIntrospection(config, own.access_token)).active, false)
await assert.rejects(client.clientCredentialsGrant(config, { scope: 'openid' }), { error: 'invalid_scope' })

console.log(JSON.stringify({ done: apps.length }))
process.exit(0)
