// Looks at the page that is open and gives every fault as a sentence.
(() => {
  const faults = []
  const say = (text, element) => faults.push(element ? `${text}: ${element.outerHTML.slice(0, 160)}` : text)
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0
  const all = (selector) => Array.from(document.querySelectorAll(selector))

  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = all('body *').filter((e) => visible(e) && e.getBoundingClientRect().right > innerWidth + 1)
    say(`scrolls sideways: ${document.documentElement.scrollWidth} px in ${innerWidth}`, wide.at(-1))
  }
  if (all('h1').filter(visible).length !== 1) say(`${all('h1').length} headings of the first level`)
  let level = 0
  for (const heading of all('h1, h2, h3, h4').filter((e) => visible(e) && e.closest('main'))) {
    const next = Number(heading.localName[1])
    if (next > level + 1) say(`heading jumps from ${level} to ${next}`, heading)
    level = next
  }
  if (all('main[data-page]').length !== 1) say('no main with data-page')
  if (!document.documentElement.lang) say('no language')
  if (!document.title) say('no title')
  const alert = all('[role=alert]').filter(visible)
  for (const box of alert) if (!box.dataset.code) say('an alert without data-code', box)
  if (document.querySelector('.notice[role=alert]') && !document.title.startsWith('Error: ')) say(`the title does not say Error: ${document.title}`)
  if (!document.querySelector('main').dataset.page.endsWith('error') && !document.querySelector('main [role=status]')) say('no status line')

  const ids = all('[id]').map((e) => e.id)
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) say(`the id ${id} stands twice`)
  for (const element of all('[aria-describedby], [aria-labelledby]')) {
    for (const name of ['aria-describedby', 'aria-labelledby']) {
      for (const id of (element.getAttribute(name) ?? '').split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) say(`${name} names ${id}, which is not there`, element)
      }
    }
  }
  for (const use of all('link[href], script[src], img[src], use')) {
    const address = new URL(use.getAttribute('href') ?? use.getAttribute('src'), location.href)
    if (address.origin !== location.origin) say('loads from elsewhere', use)
  }
  for (const element of all('[style], style, script:not([src])')) say('inline style or script', element)
  for (const element of all('*')) for (const name of element.getAttributeNames()) if (name.startsWith('on')) say(`inline handler ${name}`, element)

  for (const input of all('input:not([type=hidden]), select, textarea').filter(visible)) {
    if (!input.labels?.length && !input.ariaLabel) say('an input without a label', input)
    if (!input.name) say('an input without a name', input)
  }
  for (const target of all('a[href], button, summary, input:not([type=hidden]), select, textarea').filter(visible)) {
    const box = target.getBoundingClientRect()
    const words = (target.ariaLabel ?? '') + target.textContent + (target.labels?.length ? target.labels[0].textContent : '')
    if (!words.trim()) say('a target without words', target)
    const inText = target.localName === 'a' && getComputedStyle(target).display === 'inline'
    const label = target.labels?.[0]?.getBoundingClientRect()
    if (!inText && Math.min(box.height, box.width) < 24 && !(label && Math.min(label.height, label.width) >= 24)) {
      say(`a target of ${Math.round(box.width)} × ${Math.round(box.height)} px`, target)
    }
    if (target.matches('.btn:not(.small, .filters .btn)') && box.height < 44) say('a button under 44 px', target)
  }
  for (const icon of all('svg.icon, svg.mark').filter(visible)) if (icon.getBBox().width === 0) say('an icon that draws nothing', icon)
  return faults
})()
