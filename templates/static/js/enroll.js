// The first passkey of a person: set-up and invitation. The link's token stands
// in the fragment, which no server and no log sees; it is taken out of the
// address at once and kept in this tab until it was used.
import { post } from './api.js'
import { obstacle } from './webauthn.js'
import { forgetToken, register, takeToken } from './register.js'
import { note, once, show } from './page.js'

const place = document.getElementById('enroll')
const form = document.getElementById('enroll-form')
const purpose = place.dataset.purpose
const fields = ['display_name', 'username', 'email']

function values() {
  const body = {}
  for (const name of fields) {
    const value = form.elements[name].value.trim()
    if (value) body[name] = value
  }
  return body
}

/** look asks what the link says. It spends nothing; it tells whether the link
    still works, and what an invitation already knows. */
async function look(token) {
  try {
    const known = await post('/webauthn/registration/link', { purpose, token })
    for (const name of fields) form.elements[name].value ||= known[name] ?? ''
    return null
  } catch (failure) {
    if (!['token_expired', 'invalid_token', 'setup_done'].includes(failure.code)) return null
    forgetToken(purpose)
    return failure
  }
}

function addressIsRight() {
  const step = document.getElementById('check-address')
  if (!step) return
  step.className = 'done'
  step.removeAttribute('aria-current')
  step.querySelector('[data-fill="address"]').textContent = note('address-ok')
  document.getElementById('create-account').setAttribute('aria-current', 'step')
}

async function start() {
  const token = takeToken(purpose)
  let reason = obstacle()
  if (!reason) addressIsRight()
  if (!token) {
    if (reason) show(reason, { focus: false })
    return
  }
  document.getElementById('no-token').hidden = true
  reason ??= await look(token)
  const fresh = document.getElementById('fresh-link')
  if (fresh) fresh.hidden = !reason || reason.code === 'setup_done'
  if (reason) {
    show(reason, { focus: false })
    return
  }
  form.hidden = false
  form.addEventListener('submit', once(() => register({ purpose, token, ...values() })))
}

start()
