// Gives every violation that axe finds on the page as a sentence, and whether
// the page scrolls sideways.
new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))
  .then(() =>
    axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      rules: { 'target-size': { enabled: true } },
      resultTypes: ['violations'],
      preload: false,
    }),
  )
  .then(({ violations }) => {
    const faults = violations.flatMap((v) => v.nodes.map((n) => `${v.id} (${v.help}): ${n.html.slice(0, 200)}: ${n.failureSummary}`))
    const { scrollWidth } = document.documentElement
    if (scrollWidth > innerWidth) faults.push(`scrolls sideways: ${scrollWidth} px in ${innerWidth}`)
    return faults
  })
