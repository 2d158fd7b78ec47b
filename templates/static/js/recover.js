// Recovery: a code or a link gives a session that can do one thing, create a
// passkey.
import { Failure, post } from './api.js'
import { obstacle } from './webauthn.js'
import { forgetToken, register, takeToken } from './register.js'
import { go, hush, note, once, say, show } from './page.js'

const place = document.getElementById('enroll')
const codeForm = document.getElementById('recover-form')
const passkeyForm = document.getElementById('enroll-form')

async function redeem(body, words) {
  say(note('checking'))
  try {
    return await post('/recovery/redeem', body)
  } catch (failure) {
    // One answer for every failure; the words differ by what was tried.
    throw failure.code === 'verification_failed' ? new Failure(words, failure.problem) : failure
  } finally {
    say('')
  }
}

async function withCode() {
  hush()
  try {
    const { username, code } = codeForm.elements
    const answer = await redeem({ username: username.value.trim(), code: code.value.trim() }, 'recovery_failed')
    go(answer.redirect_to)
  } catch (failure) {
    show(failure)
  }
}

// The link is used up only when the person acts, and only once: after a
// cancelled dialog the session of the first try goes on.
function withLink(token) {
  let redeemed = false
  return async () => {
    hush()
    try {
      if (!redeemed) await redeem({ token }, 'recovery_link_failed')
      redeemed = true
      forgetToken('recover')
    } catch (failure) {
      show(failure)
      return
    }
    await register({ purpose: 'recover' })
  }
}

function start() {
  const reason = obstacle()
  if (reason) show(reason, { focus: false })
  const ready = place.dataset.ready === 'true'
  const token = ready ? '' : takeToken('recover')
  passkeyForm.hidden = !ready && !token
  document.getElementById('lost').hidden = !passkeyForm.hidden
  if (token) document.querySelector('h1').textContent = note('new-passkey')
  const make = token ? withLink(token) : () => register({ purpose: 'recover' })
  codeForm.addEventListener('submit', once(() => (reason ? show(reason) : withCode())))
  passkeyForm.addEventListener('submit', once(() => (reason ? show(reason) : make())))
}

start()
