// "Confirm it's you": one ceremony with the person's own passkeys, then back to
// where it came from.
import { post } from './api.js'
import { get, obstacle, tell } from './webauthn.js'
import { go, hush, note, once, say, show } from './page.js'

const place = document.getElementById('stepup')
const quiet = document.querySelector('main [role="status"]').textContent

async function confirm() {
  hush()
  const body = { purpose: 'reauth' }
  if (place.dataset.request) body.request = place.dataset.request
  try {
    for (let tries = 1; ; tries++) {
      try {
        const challenge = await post('/webauthn/authentication/options', body)
        say(note('asking'))
        const credential = await get(challenge.publicKey)
        say(note('checking'))
        const answer = await post('/webauthn/authentication/verify', { challenge_id: challenge.challenge_id, credential })
        say(note('confirmed'))
        await tell(answer.signals)
        const resume = document.getElementById('resume')
        if (resume) return resume.submit()
        go(place.dataset.request ? answer.redirect_to : place.dataset.return || answer.redirect_to)
        return
      } catch (failure) {
        if (failure.code !== 'challenge_expired' || tries === 2) throw failure
      }
    }
  } catch (failure) {
    say(quiet)
    if (failure.problem?.signal) await tell(failure.problem.signal)
    show(failure)
  }
}

const reason = obstacle()
if (reason) show(reason, { focus: false })
document.getElementById('confirm').addEventListener('click', once(() => (reason ? show(reason) : confirm())))
