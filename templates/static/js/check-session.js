// Answers an application whether the session is still the one it knows (OpenID
// Connect Session Management §3.2), by the same hash as the server's. What it
// reads has no authority, and it tells nobody what it is.
{
  const cookie = document.currentScript.dataset.cookie
  const state = () => {
    const found = document.cookie.split('; ').find((c) => c.startsWith(cookie + '='))
    return found ? found.slice(cookie.length + 1) : ''
  }
  const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  const hash = async (text) => base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
  const judge = async (origin, message) => {
    const said = /^([A-Za-z0-9_-]{1,128}) ([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{1,64})$/.exec(message)
    if (!said) return 'error'
    const [, client, known, salt] = said
    return await hash(`${client} ${origin} ${state()} ${salt}`) === known ? 'unchanged' : 'changed'
  }
  addEventListener('message', (e) => {
    if (!e.source || e.origin === 'null') return // nobody who could be answered
    judge(e.origin, String(e.data)).catch(() => 'error').then((answer) => e.source.postMessage(answer, e.origin))
  })
}
