// Recovery codes: download, print, copy. Importing it is enough for the page;
// reveal shows the same screen after a passkey was made.
import './copy.js'
import { go, note, say } from './page.js'

function fileText(main) {
  const value = (name) => main.querySelector(`[data-fill="${name}"]`).textContent
  const codes = Array.from(main.querySelectorAll('#recovery-codes li'), (line, i) => `${i + 1}  ${line.textContent}`)
  const head = `${note('codes-file-title')} ${location.host}, ${value('username')}, ${note('codes-file-made')} ${value('made')}`
  return [head, '', ...codes, '', note('codes-file-hint'), ''].join('\n')
}

function download(main) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([fileText(main)], { type: 'text/plain' }))
  link.download = `recovery-codes-${location.hostname}.txt`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10 * 1000)
  say(note('downloaded'))
}

function wire(main) {
  for (const element of main.querySelectorAll('[data-needs-script]')) element.hidden = false
  main.querySelector('#download').addEventListener('click', () => download(main))
  main.querySelector('#print').addEventListener('click', () => print())
}

/** reveal replaces the page by the codes, which exist only in this answer. */
export function reveal({ codes, username, next, said }) {
  const main = document.getElementById('main')
  const screen = document.getElementById('codes-screen').content.cloneNode(true)
  const list = screen.querySelector('#recovery-codes')
  for (const code of codes) {
    const line = document.createElement('li')
    line.textContent = code
    list.append(line)
  }
  screen.querySelector('[data-fill="username"]').textContent = username
  screen.querySelector('[data-fill="made"]').textContent = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'long' }).format(new Date())
  main.replaceChildren(...keep(main), screen)
  main.dataset.page = 'recovery-codes'
  main.className = 'mid'
  document.title = `${main.querySelector('h1').textContent} · ${document.title.split(' · ').at(-1)}`
  wire(main)
  say(said)
  main.querySelector('#saved-form').addEventListener('submit', (event) => {
    event.preventDefault()
    go(next)
  })
  scrollTo(0, 0)
  list.focus()
}

// The words of the catalogue stay when the card goes.
function keep(main) {
  return main.querySelectorAll('#notes')
}

if (document.getElementById('recovery-codes')) wire(document.getElementById('main'))
