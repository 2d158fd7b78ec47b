// Copy buttons. The text can always be selected by hand as well.
import { note, say } from './page.js'

/** textOf finds what a button copies: what its data-copy names, else the text
    of its own box. */
function textOf(button) {
  const source = button.dataset.copy
    ? document.querySelector(button.dataset.copy)
    : (button.closest('.code')?.querySelector('pre') ?? button.parentElement.querySelector('code'))
  if (!source) return ''
  const lines = source.querySelectorAll('li')
  if (lines.length) return Array.from(lines, (line) => line.textContent.trim()).join('\n')
  return source.textContent.trim()
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(textOf(button))
  } catch {
    say(note('copy-failed'))
    return
  }
  say(note('copied'))
  const label = button.querySelector('span') ?? button.lastChild
  if (button.dataset.label === undefined) button.dataset.label = label.textContent
  label.textContent = note('copied')
  setTimeout(() => {
    label.textContent = button.dataset.label
  }, 2000)
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]')
  if (button) copy(button)
})
