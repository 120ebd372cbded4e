// What the client scripts share. Environment: API_URL (http://host:port/prefix, without /v1), API_KEY,
// PORTS (free ones, with blanks between them).
import assert from 'node:assert/strict';
import net from 'node:net';

export const API_URL = process.env.API_URL;
export const API_KEY = process.env.API_KEY;
export const API_KEY_ID = '********';

const deadline = setTimeout(() => {
  console.error('timed out');
  process.exit(1);
}, 60_000);

// Says that everything held. Connections that are kept alive would hold the process for seconds.
export function done() {
  clearTimeout(deadline);
  console.log('ok');
  process.exit(0);
}

// A port of 127.0.0.1 that nobody else is given: one the system picks could be taken again before the daemon binds it.
const ports = process.env.PORTS.split(' ');
export function freePort() {
  assert.ok(ports.length > 0, 'no port is left');
  return ports.pop();
}

// A TCP server that sends back whatever it gets.
export async function echoServer(host = '127.0.0.1') {
  const server = net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, host);
  await new Promise((resolve) => server.once('listening', resolve));
  return server.address().port;
}

// Sends `text` to a local port and returns as many bytes as were sent.
export async function exchange(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  let received = '';
  await new Promise((resolve, reject) => {
    socket.on('error', reject).on('data', (data) => {
      received += data;
      if (received.length >= text.length) resolve();
    });
    socket.on('close', () => reject(new Error(`closed after ${received.length} bytes`)));
    socket.write(text);
  });
  socket.removeAllListeners('close').destroy();
  return received;
}

// Things that come, and those who wait for one of them. A waiter looks at everything since its mark.
export class Inbox {
  items = [];
  #waiters = [];

  get mark() {
    return this.items.length;
  }

  add(item) {
    this.items.push(item);
    this.#waiters = this.#waiters.filter((waiter) => !waiter.matches(item) || waiter.resolve(item));
  }

  // Rejects after `limit` ms, as the clients give up; resolves with the first match at or after `mark`.
  async first(what, limit, mark, matches) {
    const found = this.items.slice(mark).find(matches);
    if (found) return found;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiters.push({ matches, resolve });
        timer = setTimeout(() => reject(new Error(`no ${what} within ${limit} ms`)), limit);
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

// Every number of a JSON text, as it is written, has to fit Go's int64.
export function assertInt64(text) {
  const bare = text.replace(/"(?:[^"\\]|\\.)*"/g, '');
  for (const number of bare.match(/-?[0-9][0-9.eE+-]*/g) ?? []) {
    assert.match(number, /^-?(0|[1-9][0-9]*)$/, `not an integer: ${number}`);
    assert.equal(BigInt.asIntN(64, BigInt(number)), BigInt(number), `beyond int64: ${number}`);
  }
}
