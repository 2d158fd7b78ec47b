// What all pages do: say something in the status line, show a failure in the
// words of the catalogue, and move the focus to what changed. Markup is only
// ever cloned from the page, never made of strings.

/** note is a short text of the catalogue. */
export function note(key) {
  return document.querySelector(`#notes [data-note="${key}"]`)?.textContent ?? ''
}

/** say puts a text into the status line. */
export function say(text) {
  const line = document.querySelector('main [role="status"]')
  if (line) line.textContent = text
}

/** hush takes the failure off the page. */
export function hush() {
  const place = document.querySelector('[data-alert]')
  place?.replaceChildren()
  if (place) place.hidden = true
  for (const field of document.querySelectorAll('[data-field]')) clearField(field)
  clearInterval(hush.countdown)
}

/** show puts a failure on the page and moves the focus there, unless it is
    shown before anybody did anything. */
export function show(failure, { focus = true } = {}) {
  if (failure.code === 'aborted') return
  hush()
  const problem = failure.problem ?? {}
  const code = failure.code
  const words = document.querySelector(`template[data-failure="${code}"]`)
  const source = words ?? document.querySelector(`template[data-failure="${problem.detail ? 'refused' : 'internal'}"]`)
  const notice = source.content.firstElementChild.cloneNode(true)
  notice.dataset.code = code
  if (!words && problem.detail) notice.querySelector('p').textContent = problem.detail
  fill(notice, 'host', location.host)
  fill(notice, 'detail', problem.detail ?? '')
  support(notice, code, problem)
  countDown(notice, Number(problem.retry_after) || 60)
  const place = document.querySelector('[data-alert]')
  place.hidden = false
  place.replaceChildren(notice)
  if (!document.title.startsWith('Error: ')) document.title = `Error: ${document.title}`
  for (const [name, text] of Object.entries(problem.fields ?? {})) markField(name, text)
  if (code === 'username_taken') markField('username', notice.querySelector('strong').textContent)
  if (!focus) return
  const wrong = code === 'validation_failed' && document.querySelector('main [aria-invalid="true"]')
  ;(wrong || notice).focus()
}

function fill(root, name, text) {
  for (const hole of root.querySelectorAll(`[data-fill="${name}"]`)) hole.textContent = text
}

function support(notice, code, problem) {
  const line = notice.querySelector('[data-fill="support"]')
  const time = new Date().toISOString().slice(11, 19)
  line.textContent = [code, problem.request_id, `${time} UTC`].filter(Boolean).join(' · ')
  line.closest('details').hidden = false
}

// The number runs down silently (aria-live off): assistive tools hear it once.
function countDown(notice, seconds) {
  if (!notice.querySelector('[data-fill="seconds"]')) return
  const until = Date.now() + seconds * 1000
  const step = () => {
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000))
    fill(notice, 'seconds', String(left))
    if (left === 0) clearInterval(hush.countdown)
  }
  step()
  hush.countdown = setInterval(step, 1000)
}

function markField(name, text) {
  const field = document.querySelector(`[data-field="${name}"]`)
  const input = field?.querySelector('input')
  if (!input) return
  clearField(field)
  const line = document.createElement('p')
  line.className = 'error'
  line.id = `${name}-error`
  line.append(document.querySelector('template[data-failure="internal"]').content.querySelector('svg').cloneNode(true), text)
  field.insertBefore(line, input)
  input.setAttribute('aria-invalid', 'true')
  const hint = field.querySelector('.hint')
  input.setAttribute('aria-describedby', hint ? `${hint.id} ${line.id}` : line.id)
}

function clearField(field) {
  field.querySelector('.error')?.remove()
  const input = field.querySelector('input')
  input?.removeAttribute('aria-invalid')
  const hint = field.querySelector('.hint')
  if (!input) return
  if (hint) input.setAttribute('aria-describedby', hint.id)
  else input.removeAttribute('aria-describedby')
}

/** go leads to where an answer says, inside this site only. */
export function go(address) {
  const target = new URL(address || '/account', location.origin)
  location.assign(target.origin === location.origin ? target.href : '/account')
}

/** once makes a handler that ignores calls while it still runs. */
export function once(handler) {
  let running = false
  return async (event) => {
    event?.preventDefault()
    if (running) return
    running = true
    try {
      await handler(event)
    } finally {
      running = false
    }
  }
}

for (const element of document.querySelectorAll('[data-needs-script]')) element.hidden = false
