// The list of passkeys: add one, open a form to rename in place, ask before
// deleting. Without script the links lead to pages that do the same.
import { ceremony } from './register.js'
import { obstacle, tell } from './webauthn.js'
import { go, hush, note, once, say, show } from './page.js'

async function add() {
  hush()
  const reason = obstacle()
  if (reason) {
    show(reason)
    return
  }
  try {
    const answer = await ceremony({ purpose: 'add' })
    say(note('added'))
    go(`/account/passkeys?added=${encodeURIComponent(answer.passkey.id)}`)
  } catch (failure) {
    say('')
    if (failure.code === 'reauthentication_required') go(`/login?return=${encodeURIComponent('/account/passkeys')}`)
    else show(failure)
  }
}

function follow(event) {
  const link = event.target.closest('a[data-show], a[data-hide], a[data-dialog]')
  if (!link) return
  event.preventDefault()
  const { show: open, hide, dialog } = link.dataset
  if (dialog) document.getElementById(dialog).showModal()
  if (open) {
    const form = document.getElementById(open)
    form.hidden = false
    form.elements.name.focus()
    form.elements.name.select()
  }
  if (hide) {
    document.getElementById(hide).hidden = true
    document.querySelector(`[data-show="${hide}"]`).focus()
  }
}

document.addEventListener('click', follow)
document.getElementById('add-passkey').addEventListener('click', once(add))
const renaming = document.querySelector('form.rename:not([hidden])')
if (!document.querySelector('[data-alert] [autofocus]')) renaming?.elements.name.focus()
const signals = document.getElementById('passkeys').dataset.signals
if (signals) tell(JSON.parse(signals))
