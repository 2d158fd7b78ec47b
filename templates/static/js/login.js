// Sign-in: passkeys in the username field from the start, a button for the
// browser's own dialog, and another device. Only one request can be pending in
// a browser, so the one of the field is ended before any other begins.
import { post } from './api.js'
import { canAutofill, get, obstacle, tell } from './webauthn.js'
import { go, hush, note, once, say, show } from './page.js'

const form = document.getElementById('sign-in-form')
const renewal = 8 * 60 * 1000 // a challenge lives 10 minutes
const quiet = document.querySelector('main [role="status"]').textContent

let field = null // the pending request of the username field: { controller, done, since }
let settled = false // a passkey was chosen: whatever is pressed now would spend the request twice

/** options asks for a challenge; the answer never depends on who signs in. */
function options(extra) {
  const body = { purpose: 'login', ...extra }
  if (form.dataset.request) body.request = form.dataset.request
  return post('/webauthn/authentication/options', body)
}

async function verify(challenge, credential) {
  settled = true
  say(note('checking'))
  const answer = await post('/webauthn/authentication/verify', { challenge_id: challenge.challenge_id, credential })
  say(note('signed-in'))
  await tell(answer.signals)
  go(form.dataset.request ? answer.redirect_to : form.dataset.return || answer.redirect_to)
}

/** fail shows a failure; a passkey that the server does not know is reported
    to the password manager first, while nothing is pending. */
async function fail(failure) {
  settled = false
  say(quiet)
  if (failure.problem?.signal) await tell(failure.problem.signal)
  show(failure)
}

function listen() {
  const controller = new AbortController()
  field = { controller, since: Date.now() }
  field.done = offer(controller.signal)
}

async function offer(signal) {
  let challenge
  let credential
  try {
    challenge = await options({ mediation: 'conditional' })
    if (signal.aborted) return
    credential = await get(challenge.publicKey, { signal, mediation: 'conditional' })
  } catch {
    return // nobody asked for it yet: the button says what is wrong
  }
  field = null
  try {
    hush()
    await verify(challenge, credential)
  } catch (failure) {
    await fail(failure)
    listen()
  }
}

async function silence() {
  const pending = field
  field = null
  pending?.controller.abort()
  await pending?.done
}

/** signIn runs the dialog. A challenge that grew old is replaced by itself,
    once. */
async function signIn(hint) {
  if (settled) return
  hush()
  await silence()
  try {
    for (let tries = 1; ; tries++) {
      try {
        const challenge = await options(hint ? { hint } : {})
        say(note(hint ? 'asking-phone' : 'asking'))
        const credential = await get(challenge.publicKey)
        await verify(challenge, credential)
        return
      } catch (failure) {
        if (failure.code !== 'challenge_expired' || tries === 2) throw failure
      }
    }
  } catch (failure) {
    await fail(failure)
    if (await canAutofill()) listen()
  }
}

async function renew() {
  if (!field || document.visibilityState !== 'visible' || Date.now() - field.since < renewal) return
  await silence()
  listen()
}

async function start() {
  const reason = obstacle()
  if (reason) {
    show(reason, { focus: false })
    form.addEventListener('submit', once(() => show(reason)))
    document.getElementById('other-device').addEventListener('click', once(() => show(reason)))
    return
  }
  form.addEventListener('submit', once(() => signIn()))
  document.getElementById('other-device').addEventListener('click', once(() => signIn('hybrid')))
  if (!(await canAutofill())) return
  listen()
  setInterval(renew, 30 * 1000)
  document.addEventListener('visibilitychange', renew)
  addEventListener('pageshow', async (event) => {
    if (!event.persisted) return
    settled = false
    await silence()
    say(quiet)
    listen()
  })
}

start()
