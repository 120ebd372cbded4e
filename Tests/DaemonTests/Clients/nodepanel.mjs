// Behaves as NodePanel does in a browser: cross-origin fetches with preflights, and events read by a fetch stream.
import assert from 'node:assert/strict';
import { API_KEY, API_KEY_ID, API_URL, Inbox, done, freePort } from './harness.mjs';

const base = `${API_URL}/v1`;
const origin = 'https://panel.example';
const preflighted = new Set();

// What a browser asks before it lets a page send these headers elsewhere, once for each path and method. `Accept` is
// never asked for.
async function preflight(path, method, headers) {
  const names = Object.keys(headers).filter((name) => name !== 'Accept');
  if (preflighted.has(`${method} ${path}`)) return;
  const answer = await fetch(base + path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': names.map((name) => name.toLowerCase()).join(','),
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const allowed = (name) => answer.headers.get(name).split(',').map((word) => word.trim().toLowerCase());
  assert.ok(allowed('access-control-allow-methods').includes(method.toLowerCase()), method);
  for (const name of names) assert.ok(allowed('access-control-allow-headers').includes(name.toLowerCase()), name);
  preflighted.add(`${method} ${path}`);
}

async function crossOrigin(path, method, headers, body) {
  await preflight(path, method, headers);
  const answer = await fetch(base + path, { method, headers: { ...headers, Origin: origin }, body, credentials: 'omit' });
  // Without this a page sees nothing of an answer, not even its status.
  assert.equal(answer.headers.get('access-control-allow-origin'), '*', `${method} ${path}`);
  return answer;
}

async function call(path, method = 'GET', body, key = API_KEY) {
  const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' };
  const answer = await crossOrigin(path, method, headers, body === undefined ? undefined : JSON.stringify(body));
  if (!answer.ok) {
    const failure = await answer.json();
    throw new Error(failure.message || answer.statusText);
  }
  return answer.status === 204 ? null : answer.json();
}

// The panel's log view, where a foreign event would leave a warning.
const warnings = [];

async function follow(key) {
  const inbox = new Inbox();
  const headers = { 'X-API-Key': key, Accept: 'text/event-stream', 'Cache-Control': 'no-cache' };
  const answer = await crossOrigin('/events', 'GET', headers);
  assert.equal(answer.status, 200);
  const chunks = answer.body.getReader();
  const decoder = new TextDecoder();
  let buffer = '';
  let retries = true;
  const take = (block) => {
    if (block.trim() === '' || block.split('\n').every((line) => line.startsWith(':'))) return;
    let name = 'message';
    const data = [];
    for (const line of block.split('\n')) {
      if (line.startsWith('event:')) name = line.slice(6).trim();
      else if (line.startsWith('data:')) data.push(line.slice(5).trim());
    }
    if (data.length === 0) return;
    if (name !== 'instance') {
      warnings.push(`Received event "${name}" (expected "instance")`);
      return;
    }
    const event = JSON.parse(data.join('\n'));
    if (event.type === 'shutdown') retries = false;
    if (event.type === 'log') assert.equal(typeof event.logs, 'string');
    inbox.add(event);
  };
  const reading = (async () => {
    for (;;) {
      const { value, done: isOver } = await chunks.read();
      if (isOver) return retries;
      buffer += decoder.decode(value, { stream: true });
      assert.ok(!buffer.includes('\r'));
      const blocks = buffer.split('\n\n');
      buffer = blocks.pop();
      blocks.forEach(take);
      inbox.chunks = (inbox.chunks ?? 0) + 1;
    }
  })();
  return { inbox, reading };
}

// --- The list of masters

const info = await call('/info');
for (const name of ['ver', 'os', 'arch', 'log', 'tls']) assert.equal(typeof info[name], 'string', name);
const before = await call('/instances');
assert.deepEqual(before.map((row) => row.id), [API_KEY_ID]);
assert.equal(before[0].url, API_KEY);

// --- Before a topology is sent the stream has to be open, with a first chunk within ten seconds

const { inbox, reading } = await follow(API_KEY);
const first = await inbox.first('first event', 10_000, 0, () => true);
assert.equal(first.type, 'initial');
assert.equal(first.instance.id, API_KEY_ID);

const tunnel = freePort();
const users = freePort();
const server = await call('/instances', 'POST', {
  url: `server://panel@127.0.0.1:${tunnel}/127.0.0.1:${users}?log=debug&mode=1&tls=0`,
});
const client = await call('/instances', 'POST', {
  url: `client://panel@127.0.0.1:${tunnel}/127.0.0.1:9?log=debug&mode=2&min=2`,
});
for (const { id } of [server, client]) assert.match(id, /^[0-9a-f]{8}$/);
// The panel strips colors.
const line = await inbox.first('handshake in the log', 25_000, 0, (event) =>
  event.type === 'log' && /handshake as complete in (\d+)ms/.test(event.logs.replace(/\u001b\[[0-9;]*m/g, '')));
assert.ok([server.id, client.id].includes(line.instance.id));

// --- Single tunnels

async function act(id, action, status) {
  const mark = inbox.mark;
  const row = await call(`/instances/${id}`, 'PATCH', { action });
  assert.equal(row.id, id);
  await inbox.first(`${action}: ${status}`, 5_000, mark, (event) =>
    event.instance?.id === id && event.type === 'update' && event.instance.status === status);
}
await act(client.id, 'stop', 'stopped');
await act(client.id, 'start', 'running');
await act(client.id, 'restart', 'stopped');
const row = await call(`/instances/${client.id}`);
assert.equal(row.url, client.url);
assert.equal(row.type, 'client');

// --- What goes wrong is shown by `message`

const failures = [
  [() => call('/instances', 'POST', { url: 'ftp://a:1/b:2' }), 'Invalid URL scheme'],
  [() => call('/instances/00000000'), 'Instance not found'],
  [() => call(`/instances/${API_KEY_ID}`, 'DELETE'), 'Forbidden: API Key'],
  [() => call('/instances', 'DELETE'), 'Method not allowed'],
  [() => call('/instances', 'GET', undefined, 'wrong'), 'Unauthorized: Invalid API key'],
];
for (const [attempt, message] of failures) await assert.rejects(attempt, { message });
const refused = await crossOrigin('/events', 'GET', { 'X-API-Key': 'wrong', 'Cache-Control': 'no-cache' });
assert.equal(refused.status, 401);

// --- Its end

for (const { id } of [client, server]) {
  assert.equal(await call(`/instances/${id}`, 'DELETE'), null);
  await inbox.first('delete', 5_000, 0, (event) => event.type === 'delete' && event.instance.id === id);
}
const rotated = await call(`/instances/${API_KEY_ID}`, 'PATCH', { action: 'restart' });
assert.match(rotated.url, /^[0-9a-f]{32}$/);
// `shutdown` came before the end, so that the panel does not try again.
assert.equal(await reading, false);
assert.equal(inbox.items.at(-1).type, 'shutdown');
assert.deepEqual(warnings, []);

done();
