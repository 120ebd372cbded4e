// Behaves as NodePassDash's backend does towards a master, through a master's whole life.
// Its traps are checked on each event: alias, meta and logs that are null would end the real program.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { randomUUID } from 'node:crypto';
import { API_KEY, API_KEY_ID, API_URL, Inbox, assertInt64, done, echoServer, exchange, freePort } from './harness.mjs';

const base = new URL(API_URL);
let apiKey = API_KEY;

// Goes to the socket as it is written: the target of a probe is not escaped.
function request(method, path, body, key = apiKey) {
  return new Promise((resolve, reject) => {
    const call = http.request({
      host: base.hostname,
      port: base.port,
      method,
      path: `${base.pathname}/v1${path}`,
      headers: { 'X-API-Key': key, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      timeout: 15_000,
    }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => { text += data; }).on('error', reject);
      response.on('end', () => {
        // The real client decodes nothing of another type.
        const isJSON = response.headers['content-type'] === 'application/json';
        if (isJSON) assertInt64(text);
        resolve({ status: response.statusCode, ok: response.statusCode < 300, json: isJSON ? JSON.parse(text) : null, text });
      });
    });
    call.on('error', reject).on('timeout', () => call.destroy(new Error(`${method} ${path} took too long`)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const strings = ['id', 'alias', 'type', 'status', 'url', 'config'];
const integers = ['mode', 'ping', 'pool', 'tcps', 'udps', 'tcprx', 'tcptx', 'udprx', 'udptx'];

function assertInstance(row) {
  for (const name of strings) assert.equal(typeof row[name], 'string', name);
  for (const name of integers) assert.ok(Number.isInteger(row[name]) || row[name] > Number.MAX_SAFE_INTEGER, name);
  assert.equal(typeof row.restart, 'boolean');
  for (const name of ['sid', 'type', 'alias']) assert.equal(typeof row.meta.peer[name], 'string', name);
  assert.equal(typeof row.meta.tags, 'object');
  assert.notEqual(row.meta.tags, null);
  if (row.type !== '') assert.ok(['running', 'stopped', 'error'].includes(row.status), row.status);
}

// A stand-in for the network between the two, so that a connection can break without a proper end.
async function breakableWire() {
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(base.port, base.hostname);
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => { sockets.delete(socket); other.destroy(); }).pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return { port: server.address().port, cut: () => sockets.forEach((socket) => socket.destroy()) };
}

// Reads in the manner of the Go library r3labs/sse: blocks end with a blank line and fit 64 KiB, the last id seen is
// filled into blocks without one, and only an abrupt end leads to a new connection, with `Last-Event-ID`.
class EventReader {
  events = new Inbox();
  ends = new Inbox();
  lastID = '';
  connections = 0;

  constructor(port) {
    this.port = port;
  }

  connect(key) {
    this.connections += 1;
    const opened = Date.now();
    return new Promise((resolve, reject) => {
      const call = http.get({
        host: '127.0.0.1',
        port: this.port,
        path: `${base.pathname}/v1/events`,
        headers: {
          'X-API-Key': key,
          Accept: 'text/event-stream',
          'Cache-Control': 'no-cache',
          Connection: 'keep-alive',
          ...(this.lastID === '' ? {} : { 'Last-Event-ID': this.lastID }),
        },
      }, (response) => {
        assert.equal(response.statusCode, 200);
        const types = ['text/event-stream', 'text/event-stream; charset=utf-8'];
        assert.ok(types.includes(response.headers['content-type']), response.headers['content-type']);
        assert.ok(Date.now() - opened < 8_000, 'headers have to come at once');
        let buffer = '';
        response.setEncoding('utf8').on('data', (data) => {
          buffer += data;
          let end;
          while ((end = buffer.indexOf('\n\n')) >= 0) {
            this.take(buffer.slice(0, end));
            buffer = buffer.slice(end + 2);
          }
        });
        let isOver = false;
        const end = (manner) => {
          if (isOver) return;
          isOver = true;
          this.ends.add(manner);
        };
        response.on('end', () => end('proper')).on('error', () => end('abrupt')).on('close', () => end('abrupt'));
        resolve();
      });
      call.on('error', reject);
    });
  }

  take(block) {
    assert.ok(Buffer.byteLength(block) < 65_536, 'a block larger than the reader takes');
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('id:')) this.lastID = line.slice(3).trimStart();
      else if (line.startsWith('data:')) data += line.slice(5).trimStart();
      else if (line.startsWith('event:')) assert.equal(line, 'event: instance');
      else assert.ok(line.startsWith('retry:') || line.startsWith(':'), `unknown line ${line}`);
    }
    if (data === '') return;
    assertInt64(data);
    const payload = JSON.parse(data);
    assert.ok(!Number.isNaN(Date.parse(payload.time)));
    assert.equal(typeof payload.logs, 'string');
    if (payload.type === 'shutdown') assert.equal(payload.instance, null);
    else assertInstance(payload.instance);
    this.events.add(payload);
  }
}

// --- Adding the master

const info = await request('GET', '/info');
assert.equal(info.status, 200);
for (const name of ['alias', 'os', 'arch', 'ver', 'name', 'log', 'tls', 'crt', 'key']) {
  assert.equal(typeof info.json[name], 'string', name);
}
for (const name of [
  'cpu', 'mem_used', 'mem_total', 'swap_used', 'swap_total', 'diskr', 'diskw', 'netrx', 'nettx', 'sysup', 'uptime',
]) assert.ok(Number.isInteger(info.json[name]), name);

function isAtLeast(version, gate) {
  const numbers = (text) => text.replace(/^v/, '').split('.').map((part) => parseInt(part, 10) || 0);
  const [have, want] = [numbers(version), numbers(gate)];
  for (let index = 0; index < want.length; index += 1) {
    if ((have[index] ?? 0) !== want[index]) return (have[index] ?? 0) > want[index];
  }
  return true;
}
assert.ok(isAtLeast(info.json.ver, '1.10.0'), info.json.ver);
assert.equal(info.json.os.toLowerCase(), 'linux');

async function tunnels() {
  const list = await request('GET', '/instances');
  assert.ok(Array.isArray(list.json));
  list.json.forEach(assertInstance);
  return list.json.filter((row) => row.type !== '');
}
assert.deepEqual(await tunnels(), []);

const wire = await breakableWire();
const reader = new EventReader(wire.port);
await reader.connect(apiKey);
const first = await reader.events.first('first event', 10_000, 0, () => true);
assert.equal(first.type, 'initial');
assert.equal(first.instance.type, '');
assert.equal(first.instance.url, apiKey);

// --- One write after the other, each waited for on the stream

const known = new Set();
function announced(what, id, mark, matches, limit = 3_000) {
  return reader.events.first(what, limit, mark, (event) => event.instance?.id === id && matches(event));
}

async function create(url) {
  const mark = reader.events.mark;
  const answer = await request('POST', '/instances', { url });
  assert.equal(answer.status, 201, answer.text);
  const { id, status } = answer.json;
  assert.match(id, /^[0-9a-f]{8}$/);
  assert.equal(status, 'stopped');
  const row = await announced('create', id, mark, (event) => event.type === 'create');
  assert.equal(row.instance.url, url);
  known.add(id);
  await announced('running', id, mark, (event) => event.type === 'update' && event.instance.status === 'running');
  return id;
}

async function patch(id, body) {
  const answer = await request('PATCH', `/instances/${id}`, body);
  assert.equal(answer.status, 200, answer.text);
  assertInstance(answer.json);
  assert.equal(answer.json.id, id);
  return answer.json;
}

async function act(id, action, ...statuses) {
  let mark = reader.events.mark;
  await patch(id, { action });
  for (const status of statuses) {
    const event = await announced(`${action}: ${status}`, id, mark, (event) => event.instance.status === status, 5_000);
    mark = reader.events.items.indexOf(event) + 1;
  }
}

const target = await echoServer();
const entry = freePort();
const url = `client://:${entry}/127.0.0.1:${target}?log=debug&mode=1&notcp=0&noudp=0`;
const id = await create(url);

let mark = reader.events.mark;
await patch(id, { alias: 'shop' });
await announced('alias', id, mark, (event) => event.instance.alias === 'shop');
mark = reader.events.mark;
await patch(id, { restart: false });
await announced('policy', id, mark, (event) => event.instance.restart === false);
await patch(id, { restart: true });
mark = reader.events.mark;
await patch(id, { meta: { tags: { group: 'a', '': 'b' } } });
const tagged = await announced('tags', id, mark, (event) => event.instance.meta.tags.group === 'a');
assert.deepEqual(tagged.instance.meta.tags, { '': 'b', group: 'a' });
const sid = randomUUID();
mark = reader.events.mark;
await patch(id, { meta: { peer: { sid, type: '0', alias: null } } });
const bound = await announced('peer', id, mark, (event) => event.instance.meta.peer.sid === sid);
assert.deepEqual(bound.instance.meta, { peer: { sid, type: '0', alias: '' }, tags: { '': 'b', group: 'a' } });
mark = reader.events.mark;
await patch(id, { meta: { peer: { sid: '', type: '', alias: '' } } });
await announced('unbinding', id, mark, (event) => event.instance.meta.peer.sid === '');

assert.equal(await exchange(entry, 'x'.repeat(2_000)), 'x'.repeat(2_000));
const moving = ({ instance }) => instance.tcprx === 2_000 && instance.tcptx === 2_000;
await announced('counters', id, 0, moving, 10_000);
mark = reader.events.mark;
await patch(id, { action: 'reset' });
await announced('reset', id, mark, (event) => event.instance.tcprx === 0 && event.instance.tcptx === 0);

await act(id, 'stop', 'stopped');
await act(id, 'start', 'running');
await act(id, 'restart', 'stopped', 'running');

// --- Another URL: the row has to show what was sent, byte for byte, and run

async function replace(id, url) {
  const mark = reader.events.mark;
  const answer = await request('PUT', `/instances/${id}`, { url });
  assert.ok(answer.ok, answer.text);
  await announced('the new URL', id, mark, (event) => event.instance.url === url && event.instance.status === 'running');
  const row = (await request('GET', `/instances/${id}`)).json;
  assert.equal(row.url, url);
}
await replace(id, `client://:${entry}/127.0.0.1:${target}?mode=1&rate=100&log=info&read=1m30s&slot=10&block=2`);
const moved = freePort();
await replace(id, `client://:${moved}/127.0.0.1:${target}?mode=1`);
assert.equal(await exchange(moved, 'moved'), 'moved');
assert.equal((await request('PUT', `/instances/${id}`, { url: `client://:${moved}/127.0.0.1:${target}?mode=1` })).status, 409);
assert.equal(known.size, 1);

// --- The services wizard

const second = await echoServer();
const balanced = freePort();
const csv = `127.0.0.1:${target},127.0.0.1:${second}`;
await create(`client://:${balanced}/${csv}?log=info&mode=1&notcp=0&noudp=0&extend_target_address=${csv}&lbs=1`);
assert.equal(await exchange(balanced, 'balanced'), 'balanced');
await create(`client://:${freePort()}/127.0.0.1:${target}?mode=1&min=8&max=64&proxy=1&dial=auto&dns=5m&sni=a.b&block=123`);

const tunnel = freePort();
const users = freePort();
const service = { sid: randomUUID(), type: '1', alias: 'pair' };
const server = await create(
  `server://s3cret@127.0.0.1:${tunnel}/127.0.0.1:${users}?log=info&tls=1&mode=1&max=64&type=0`,
);
const client = await create(`client://s3cret@127.0.0.1:${tunnel}/127.0.0.1:${target}?log=info&mode=2&min=4&type=3`);
for (const end of [server, client]) {
  mark = reader.events.mark;
  await patch(end, { alias: 'pair' });
  await patch(end, { meta: { peer: service } });
  await announced('service', end, mark, (event) => event.instance.meta.peer.sid === service.sid);
}
await reader.events.first('a pooled pair', 10_000, 0, (event) => event.instance?.id === client && event.instance.pool > 0);
assert.equal(await exchange(users, 'through both ends'), 'through both ends');
const services = (await tunnels()).filter((row) => row.meta.peer.sid === service.sid);
assert.deepEqual(services.map((row) => row.type).sort(), ['client', 'server']);

// --- Five probes a click, the address as the user wrote it

const six = await echoServer('::1');
const closed = freePort();
for (const [address, isOpen] of [[`[::1]:${six}`, true], [`127.0.0.1:${target}`, true], [`[::1]:${closed}`, false]]) {
  const answers = await Promise.all(Array.from({ length: 5 }, () => request('GET', `/tcping?target=${address}`)));
  for (const { status, json } of answers) {
    assert.equal(status, 200);
    assert.equal(json.target, address);
    assert.equal(json.connected, isOpen, JSON.stringify(json));
    assert.ok(Number.isInteger(json.latency));
    assert.equal(isOpen, json.error === null);
  }
}

// --- The connection breaks: the library comes back with the last id it saw and gets what it missed

const missed = reader.events.mark;
wire.cut();
assert.equal(await reader.ends.first('abrupt end', 3_000, 0, () => true), 'abrupt');
assert.match(reader.lastID, /^[0-9]+$/);
await patch(id, { alias: 'renamed meanwhile' });
const gone = (await request('DELETE', `/instances/${client}`)).status;
assert.equal(gone, 204);
await reader.connect(apiKey);
await reader.events.first('event of a resumed stream', 10_000, missed, () => true);
await announced('missed update', id, missed, (event) => event.instance.alias === 'renamed meanwhile');
await announced('missed delete', client, missed, (event) => event.type === 'delete');
known.delete(client);
const resumed = reader.events.items.slice(missed);
assert.deepEqual(resumed.filter((event) => event.type === 'initial').map((event) => event.instance.id), [API_KEY_ID]);

// --- Deleting; a second time it is gone

for (const id of [...known]) {
  const mark = reader.events.mark;
  assert.equal((await request('DELETE', `/instances/${id}`)).status, 204);
  const last = await announced('delete', id, mark, (event) => event.type === 'delete');
  assert.equal(last.instance.status, 'stopped');
  assert.equal((await request('DELETE', `/instances/${id}`)).status, 404);
}
assert.deepEqual(await tunnels(), []);

// No instance was spoken of before its create, and none twice as new.
const created = reader.events.items.filter((event) => event.type === 'create').map((event) => event.instance.id);
assert.equal(new Set(created).size, created.length);
const seen = new Set([API_KEY_ID]);
for (const event of reader.events.items) {
  if (event.type === 'create') seen.add(event.instance.id);
  else if (event.instance) assert.ok(seen.has(event.instance.id), `${event.type} before create`);
}

// --- A new key: the old one is over at once, and so is every stream, properly

const old = apiKey;
const rotated = await patch(API_KEY_ID, { action: 'restart' });
assert.match(rotated.url, /^[0-9a-f]{32}$/);
assert.notEqual(rotated.url, old);
await reader.events.first('shutdown', 3_000, 0, (event) => event.type === 'shutdown');
assert.equal(await reader.ends.first('proper end', 3_000, 1, () => true), 'proper');
assert.equal((await request('GET', '/instances', undefined, old)).status, 401);
apiKey = rotated.url;
assert.deepEqual(await tunnels(), []);
mark = reader.events.mark;
await reader.connect(apiKey);
const back = await reader.events.first('event after the rotation', 10_000, mark, () => true);
assert.equal(back.instance.url, apiKey);
assert.equal(reader.connections, 3);

done();
