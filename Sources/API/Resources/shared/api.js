// Requests to the daemon. The key lives as long as the tab, or on this device where one asks for that.

/** What a reverse proxy has put before the daemon's paths; empty without one. */
export const root = new URL('..', import.meta.url).pathname.replace(/\/$/, '');

export const base = root + document.querySelector('meta[name="nodepass-api"]').content;

/** Two daemons behind one host have a key each. */
const storageKey = `nodepass-key${root}`;

/** Sends `unauthorized` when the daemon refuses the key. */
export const session = new EventTarget();

let remembered = stored();

/** Storage may be forbidden; the key then lasts as long as the page. */
function stored() {
  try { return sessionStorage.getItem(storageKey) ?? localStorage.getItem(storageKey); } catch { return null; }
}

/** `null` before somebody signed in; empty for a daemon reached through its socket, which asks for none. */
export function currentKey() {
  return remembered;
}

/** `onDevice`: the key outlives the tab, until one signs out. */
export function rememberKey(key, onDevice = false) {
  remembered = key;
  try { (onDevice ? localStorage : sessionStorage).setItem(storageKey, key); } catch { /* kept by the page alone */ }
}

export function forgetKey() {
  remembered = null;
  try {
    for (const storage of [sessionStorage, localStorage]) storage.removeItem(storageKey);
  } catch { /* it was never there */ }
}

export function keyHeaders(key = currentKey()) {
  return key ? { 'X-API-Key': key } : {};
}

/** A refusal as the API words it. */
export class APIError extends Error {
  constructor(status, body, retryAfter) {
    super(body.message ?? body.error ?? `The daemon answered ${status}`);
    this.status = status;
    this.code = body.code ?? '';
    this.source = body.source ?? null;
    this.details = body.details ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The error in an answer; its body may be something else than JSON where a proxy answers. */
export async function errorOf(response) {
  const text = await response.text();
  let body = {};
  try { body = JSON.parse(text); } catch { /* the status has to do */ }
  const seconds = Number(response.headers.get('Retry-After')) || null;
  if (response.status === 429) {
    body.message = `${body.message ?? 'Too many invalid API keys from this address'}. Try again in ${seconds ?? 60} s.`;
  }
  return new APIError(response.status, body, seconds);
}

/** Sends a request below the prefix; `json` or `yaml` is its body. */
export async function send(method, path, { query, json, yaml, signal, key = currentKey() } = {}) {
  const headers = keyHeaders(key);
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  if (yaml !== undefined) headers['Content-Type'] = 'application/yaml';
  const parameters = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
  const url = `${base}${path}${parameters && `?${parameters}`}`;
  let response;
  try {
    response = await fetch(url, { method, headers, signal, cache: 'no-store', body: json === undefined ? yaml
      : JSON.stringify(json) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new APIError(0, { message: 'The daemon does not answer', code: 'unreachable' });
  }
  if (!response.ok) {
    const error = await errorOf(response);
    if (error.status === 401 && key === currentKey()) session.dispatchEvent(new Event('unauthorized'));
    throw error;
  }
  return response;
}

/** The answer's JSON; null where there is no body. */
export async function request(method, path, options) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : response.json();
}
