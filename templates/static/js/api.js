// The JSON API: one call, one kind of failure.

/** Failure has the stable code that picks the words. */
export class Failure extends Error {
  constructor(code, problem = {}) {
    super(code)
    this.code = code
    this.problem = problem
  }
}

/** post sends JSON below /api/v1 and gives the answer, or throws a Failure. */
export async function post(path, body) {
  let response
  try {
    response = await fetch(`/api/v1${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
    })
  } catch {
    throw new Failure('offline')
  }
  let answer
  try {
    answer = await response.json()
  } catch {
    throw new Failure(response.status >= 500 ? 'unavailable' : 'offline')
  }
  if (response.ok) return answer
  throw new Failure(answer.code || (response.status === 429 ? 'rate_limited' : 'internal'), {
    ...answer,
    retry_after: answer.retry_after ?? Number(response.headers.get('Retry-After')),
  })
}
