// The one way to the node: JSON in, JSON out, and every failure an ApiError a person can read.

export class ApiError extends Error {
  constructor(status, { code = 'ERROR', message, hint, details } = {}, headers) {
    super(message || `The node answered ${status}.`);
    Object.assign(this, { status, code, hint, details: details ?? {} });
    this.retryAfter = Number(headers?.get('Retry-After')) || this.details.retry_after;
    this.requestId = headers?.get('X-Request-ID');
  }
}

let ended = () => {};
export const onSessionEnd = (callback) => { ended = callback; };

/** The whole answer (`{data, meta?}`, or undefined for 204). */
export async function call(method, path, body) {
  const request = { method, credentials: 'same-origin', headers: { Accept: 'application/json' } };
  if (method !== 'GET') {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body ?? {});
  }
  let response, text;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    throw new ApiError(0, { code: 'UNREACHABLE', message: 'The node does not answer.', hint: 'See whether it is running, then try again.' });
  }
  let answer;
  try {
    answer = text ? JSON.parse(text) : undefined;
  } catch {
    throw new ApiError(response.status, { code: 'BAD_ANSWER', message: `The node answered ${response.status} with something this page cannot read.` });
  }
  if (response.ok) return answer;
  const error = new ApiError(response.status, answer?.error, response.headers);
  // A wrong password is a 401 too, but it ends no session.
  if (error.status === 401 && error.code !== 'INVALID_CREDENTIALS') ended();
  throw error;
}

export const get = async (path) => (await call('GET', path)).data;
export const post = async (path, body) => (await call('POST', path, body))?.data;
export const remove = (path) => call('DELETE', path);
