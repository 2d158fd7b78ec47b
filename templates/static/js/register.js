// One registration: challenge, the device's dialog, verification, and then the
// recovery codes if the answer has any.
import { post } from './api.js'
import { create, tell } from './webauthn.js'
import { reveal } from './codes.js'
import { go, hush, note, say, show } from './page.js'

/** takeToken moves a link's token from the address into this tab. */
export function takeToken(purpose) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (!token) return sessionStorage.getItem(`latchkey-${purpose}`) ?? ''
  history.replaceState(null, '', location.pathname + location.search)
  sessionStorage.setItem(`latchkey-${purpose}`, token)
  return token
}

/** forgetToken is for one that was used or does not work. */
export function forgetToken(purpose) {
  sessionStorage.removeItem(`latchkey-${purpose}`)
}

/** ceremony makes a passkey and gives the server's answer. */
export async function ceremony(body) {
  for (let tries = 1; ; tries++) {
    try {
      const challenge = await post('/webauthn/registration/options', body)
      say(note('asking'))
      const credential = await create(challenge.publicKey)
      say(note('checking'))
      const answer = await post('/webauthn/registration/verify', { challenge_id: challenge.challenge_id, credential })
      await tell(answer.signals)
      return answer
    } catch (failure) {
      if (failure.code !== 'challenge_expired' || tries === 2) throw failure
    }
  }
}

/** register makes the first passkey of an account, or the one after a
    recovery, and leads on. */
export async function register(body) {
  hush()
  try {
    const answer = await ceremony(body)
    forgetToken(body.purpose)
    if (!answer.recovery_codes?.length) {
      say(note('added'))
      go(answer.redirect_to)
      return
    }
    reveal({ codes: answer.recovery_codes, username: answer.user.username, next: answer.redirect_to, said: note('created') })
  } catch (failure) {
    say('')
    show(failure)
  }
}
