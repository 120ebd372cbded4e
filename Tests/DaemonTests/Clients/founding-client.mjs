// Makes the calls of NodePass's API reference (v1.2) against a running daemon, with that document's own code shapes.
// Environment: API_URL (http://host:port/prefix, without /v1), API_KEY, PORT (a free one). Exits 0 when everything held.
import assert from 'node:assert/strict';

const { API_URL, PORT } = process.env;
let apiKey = process.env.API_KEY;
const apiKeyID = '********';

const deadline = setTimeout(() => {
  console.error('timed out');
  process.exit(1);
}, 30_000);

const headers = () => ({ 'Content-Type': 'application/json', 'X-API-Key': apiKey });

async function createNodePassInstance(config) {
  const response = await fetch(`${API_URL}/v1/instances`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify({
      url: `${config.type}://${config.tunnelAddr}/${config.targetAddr}?log=${config.logLevel}&mode=1`,
    }),
  });
  const data = await response.json();
  return { id: data.data.id, originalConfig: config, url: data.data.url };
}

async function readInstance(instanceId) {
  const response = await fetch(`${API_URL}/v1/instances/${instanceId}`, { headers: headers() });
  return await response.json();
}

async function controlInstance(instanceId, action) {
  const response = await fetch(`${API_URL}/v1/instances/${instanceId}`, {
    method: 'PATCH',
    headers: headers(),
    body: JSON.stringify({ action }),
  });
  const data = await response.json();
  return data.success;
}

async function regenerateApiKey() {
  const response = await fetch(`${API_URL}/v1/instances/${apiKeyID}`, {
    method: 'PATCH',
    headers: headers(),
    body: JSON.stringify({ action: 'restart' }),
  });
  const result = await response.json();
  return result.url;
}

// The document's own parser: blocks end with a blank line, `event:` and `data:` are single lines.
function connectToEventSourceWithApiKey(key) {
  const seen = [];
  const waiting = [];
  let isOver = false;
  const look = () => {
    for (const waiter of [...waiting]) {
      const found = seen.find(waiter.matches);
      if (found || isOver) {
        waiting.splice(waiting.indexOf(waiter), 1);
        found ? waiter.resolve(found) : waiter.reject(new Error('the stream ended before the event came'));
      }
    }
  };
  const opened = fetch(`${API_URL}/v1/events`, {
    method: 'GET',
    headers: { 'X-API-Key': key, 'Cache-Control': 'no-cache' },
  }).then((response) => {
    if (!response.ok) throw new Error(`HTTP error: ${response.status}`);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let buffer = '';
    function processStream() {
      reader.read().then(({ value, done }) => {
        if (done) {
          isOver = true;
          look();
          return;
        }
        buffer += decoder.decode(value, { stream: true });
        const lines = buffer.split('\n\n');
        buffer = lines.pop() || '';
        for (const line of lines) {
          if (line.trim() === '') continue;
          const eventMatch = line.match(/^event: (.+)$/m);
          const dataMatch = line.match(/^data: (.+)$/m);
          if (eventMatch && dataMatch) {
            assert.equal(eventMatch[1], 'instance');
            seen.push(JSON.parse(dataMatch[1]));
          }
        }
        look();
        processStream();
      }).catch(() => {
        isOver = true;
        look();
      });
    }
    processStream();
  });
  const next = (matches) => new Promise((resolve, reject) => {
    waiting.push({ matches, resolve, reject });
    look();
  });
  return { opened, next };
}

const unauthorized = await fetch(`${API_URL}/v1/instances`);
assert.equal(unauthorized.status, 401);

const events = connectToEventSourceWithApiKey(apiKey);
await events.opened;
const keyRow = await events.next((event) => event.type === 'initial' && event.instance.id === apiKeyID);
assert.equal(keyRow.instance.url, apiKey);

const created = await createNodePassInstance({
  type: 'client',
  tunnelAddr: `127.0.0.1:${PORT}`,
  targetAddr: '127.0.0.1:9',
  logLevel: 'debug',
});
assert.match(created.id, /^[0-9a-f]{8}$/);
await events.next((event) => event.type === 'create' && event.instance.id === created.id);
const running = await events.next((event) =>
  event.type === 'update' && event.instance.id === created.id && event.instance.status === 'running');
assert.equal(running.logs, '');

const polled = await readInstance(created.id);
assert.equal(polled.success, true);
assert.equal(polled.data.status, 'running');
for (const name of ['connections', 'pool_size', 'uptime', 'tcp_in', 'tcp_out', 'udp_in', 'udp_out']) {
  assert.equal(typeof polled.data[name], 'number', name);
}

assert.equal(await controlInstance(created.id, 'stop'), true);
await events.next((event) =>
  event.type === 'update' && event.instance.id === created.id && event.instance.status === 'stopped');
assert.equal(await controlInstance(created.id, 'start'), true);
assert.equal(await controlInstance(created.id, 'restart'), true);

const list = await (await fetch(`${API_URL}/v1/instances`, { method: 'GET', headers: { 'X-API-Key': apiKey } })).json();
assert.deepEqual(list.map((row) => row.id).includes(created.id), true);

const removed = await fetch(`${API_URL}/v1/instances/${created.id}`, { method: 'DELETE', headers: headers() });
assert.equal(removed.status, 204);
await events.next((event) => event.type === 'delete' && event.instance.id === created.id);

const newKey = await regenerateApiKey();
assert.match(newKey, /^[0-9a-f]{32}$/);
assert.notEqual(newKey, apiKey);
const shutdown = await events.next((event) => event.type === 'shutdown');
assert.equal(shutdown.instance, null);
assert.equal((await fetch(`${API_URL}/v1/instances`, { headers: headers() })).status, 401);
apiKey = newKey;
assert.equal((await fetch(`${API_URL}/v1/instances`, { headers: headers() })).status, 200);

for (const path of ['openapi.json', 'docs']) {
  assert.equal((await fetch(`${API_URL}/v1/${path}`)).status, 200);
}

clearTimeout(deadline);
console.log('ok');
// Connections that fetch keeps alive would hold the process for seconds.
process.exit(0);
