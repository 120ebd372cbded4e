// What the browser's tests share: the daemon, what its tunnels lead to, and the page in the terms of its reader.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { Browser } from './chromium.mjs';

export const [base, key, manifest, portList] = process.argv.slice(2);
if (!portList) {
  console.error('usage: browser-tests.mjs BASE-URL API-KEY MANIFEST PORTS');
  process.exit(2);
}
export const output = process.env.NODEPASS_SCREENSHOTS || '.build/screenshots';
export const secret = 'a-tunnel-key-nobody-may-see';
/** Samples of traffic are taken every five seconds. */
export const sampleLimit = 20_000;
export const [alphaPort, betaPort, gammaPort, deltaPort, handPort, movedPort] = portList.split(',').map(Number);
mkdirSync(output, { recursive: true });

/** What the tunnels lead to: gives everything back. */
export const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
await new Promise((resolve) => echo.listen(0, '127.0.0.1', resolve));
export const target = `127.0.0.1:${echo.address().port}`;

/** Sends this many bytes through a tunnel and waits until they are back. */
export function through(port, amount) {
  return new Promise((resolve, reject) => {
    let missing = amount;
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.alloc(amount, 'x')));
    socket.on('error', reject).on('data', (chunk) => {
      missing -= chunk.length;
      if (missing === 0) socket.destroy();
    }).on('close', resolve);
  });
}

/** A manifest of these tunnels, put in place at once as editors do. */
export function write(tunnels) {
  const lines = Object.entries(tunnels).map(([name, fields]) => `  ${name}: ${JSON.stringify(fields)}`);
  writeText(['version: 1', 'tunnels:', ...lines, ''].join('\n'));
}

export function writeText(text) {
  writeFileSync(`${manifest}.new`, text);
  renameSync(`${manifest}.new`, manifest);
}

export const client = (port, more) => ({ role: 'client', mode: 'single', tunnel: `127.0.0.1:${port}`, target, ...more });
export const declared = {
  alpha: client(alphaPort, { alias: 'Alpha', tags: { env: 'test' } }),
  beta: { role: 'server', mode: 'forward', tunnel: `127.0.0.1:${betaPort}`, target, key: secret, tls: 'self-signed' },
};

/** Whether this daemon has an operation, or a parameter of one; pages do without those that are missing. */
export const description = await (await fetch(`${base}/api/v1/openapi.json`)).json();
export const has = (resource, parameter) => {
  const operation = description.paths[`/api/v1${resource}`]?.get;
  return Boolean(operation && (!parameter || operation.parameters?.some(({ name }) => name === parameter)));
};

// The page, in the terms of its reader.

export const text = JSON.stringify;
export const rowOf = (label) => `[...document.querySelectorAll('.rows .row')].find((row) => row.checkVisibility()
  && row.querySelector('.name').textContent === ${text(label)})`;
export const badgeOf = (label) => `${rowOf(label)}.querySelector('.badge')`;
export const phaseOf = (label) => `${rowOf(label)}?.querySelector('.phase').textContent`;
export const verdict = "document.getElementById('verdict-text').textContent";
export const tabTo = (name) => page.press(name, '.bar nav');
export const dialogIsOpen = "document.querySelector('dialog[open]')";
export const chip = (label) => `[...document.querySelectorAll('.chips button')].find((one) => one.textContent.startsWith('${label}'))`;
/** The headline; from half a minute on `beta`, which has no client, outranks what is not urgent. */
export const says = (words) => `[${JSON.stringify(words)}, '1 tunnel not serving'].includes(${verdict})`;
export const feedHas = (type, words) => `[...document.querySelectorAll('.events .feed li')].some((entry) =>
  entry.querySelector('.type').textContent === ${text(type)} && entry.textContent.includes(${text(words)}))`;

/** Chooses an entry of a row's menu. */
export async function choose(label, entry) {
  await page.click(`js:${rowOf(label)}.querySelector('.actions .icon-button:last-child')`);
  await page.press(entry, '.menu');
}

export const tests = [];
export const test = (name, run) => tests.push([name, run]);

/** What the page complained of, but for the refusals that the tests ask for and what a daemon may lack. */
export function unexpected() {
  const lacks = has('/history') ? null : /^network: .*status of 404.*\/history/;
  return page.problems.filter((problem) => !/^network: .*status of (400|401|403|422)/.test(problem)
    && !lacks?.test(problem));
}

export async function picture(name) {
  writeFileSync(path.join(output, `${name}.png`), await page.screenshot());
}

export const browser = await Browser.launch();
export const page = await browser.open(1440, 900);
await page.colors('light');
