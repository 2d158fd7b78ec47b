// Goes on to the application once every frame has loaded, after three seconds at
// most: a frame that hangs would hold up the refresh of the page. It stands in
// the head and does not wait, so that it misses no frame.
{
  const loaded = new Set()
  const leave = () => {
    const next = document.getElementById('continue')
    if (next) location.replace(next.href)
  }
  const look = () => {
    const frames = [...document.querySelectorAll('iframe')]
    if (document.readyState !== 'loading' && frames.every((f) => loaded.has(f))) leave()
  }
  document.addEventListener('load', (e) => {
    if (e.target instanceof HTMLIFrameElement) {
      loaded.add(e.target)
      look()
    }
  }, true)
  document.addEventListener('DOMContentLoaded', look)
  setTimeout(leave, 3000)
}
