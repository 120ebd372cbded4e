// The dashboard and the documentation in a real browser, against a running daemon.
//
//     node browser-tests.mjs http://127.0.0.1:9090 API-KEY tunnels.yaml OUTPUT-FOLDER
//
// The daemon must have been started with that manifest; the tests write it. Chromium is that of $CHROMIUM or /usr/bin.

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import path from 'node:path';
import { Browser } from './chromium.mjs';

const [baseText, key, manifest, output] = process.argv.slice(2);
if (!output) {
  console.error('usage: browser-tests.mjs BASE-URL API-KEY MANIFEST OUTPUT-FOLDER');
  process.exit(2);
}
const base = baseText.replace(/\/$/, '');
const secret = 'a-tunnel-key-nobody-may-see';
mkdirSync(output, { recursive: true });

/** Ports nobody listens on, so that the tunnels can. */
async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const [alphaPort, betaPort, gammaPort, deltaPort, otherPort] = await freePorts(5);
const target = new URL(base).host;

/** A manifest of these tunnels, put in place at once as editors do. */
function write(tunnels) {
  const lines = Object.entries(tunnels).map(([name, fields]) => `  ${name}: ${JSON.stringify(fields)}`);
  writeText(['version: 1', 'tunnels:', ...lines, ''].join('\n'));
}

function writeText(text) {
  writeFileSync(`${manifest}.new`, text);
  renameSync(`${manifest}.new`, manifest);
}

const client = (port, more) => ({ role: 'client', mode: 'single', tunnel: `127.0.0.1:${port}`, target, ...more });
const declared = {
  alpha: client(alphaPort, { alias: 'Alpha', tags: { env: 'test' } }),
  beta: { role: 'server', mode: 'forward', tunnel: `127.0.0.1:${betaPort}`, target, key: secret, tls: 'self-signed' },
};

/** One request through a tunnel, so that it has traffic. */
function through(port) {
  return new Promise((resolve, reject) => {
    get(`http://127.0.0.1:${port}/healthz`, { agent: false },
      (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject);
  });
}

// The page, in the terms of its reader.
const rowOf = (label) =>
  `[...document.querySelectorAll('.rows .row')].find((row) => row.checkVisibility()
    && row.querySelector('.name').textContent === ${JSON.stringify(label)})`;
const badgeOf = (label) => `${rowOf(label)}.querySelector('.badge')`;
const phaseOf = (label) => `${rowOf(label)}?.querySelector('.phase').textContent`;
const verdict = "document.getElementById('verdict-text').textContent";
const tabTo = (name) => page.press(name, '.bar nav');

const tests = [];
const test = (name, run) => tests.push([name, run]);
let page;
let browser;

/** What the page complained of, but for the refusals that the tests ask for. */
function unexpected() {
  return page.problems.filter((problem) => !/^network: .*status of (400|401|422)/.test(problem));
}

async function picture(name) {
  writeFileSync(path.join(output, `${name}.png`), await page.screenshot());
}

test('without a key there is a sign-in, and a wrong key is refused in words', async () => {
  await page.goto(`${base}/`);
  await page.until("!document.getElementById('login').hidden");
  await picture('sign-in');
  await page.fill('#login-key', 'wrong');
  await page.key('Enter');
  await page.until("/does not accept/.test(document.getElementById('login-problem').textContent)");
});

test('the right key shows the tunnels of the manifest', async () => {
  write(declared);
  await page.fill('#login-key', key);
  await page.press('Sign in');
  await page.until(`${phaseOf('Alpha')} === 'ready'`);
  await page.until(`${phaseOf('beta')} === 'connecting'`);
  await page.until(`${verdict} === 'All as declared'`);
  assert.match(await page.evaluate("document.getElementById('revision-applied').textContent"), /^[0-9a-f]{12}$/);
});

test('an edit of the manifest is followed while one looks', async () => {
  write({ ...declared, alpha: { ...declared.alpha, alias: 'Alpha renamed' }, gamma: client(gammaPort, {}) });
  await page.until(rowOf('Alpha renamed'));
  await page.until(`${phaseOf('gamma')} === 'ready'`);
  write(declared);
  await page.until(`${rowOf('Alpha')} && !${rowOf('gamma')}`);
});

test('a manifest that does not read is shown with its line, and gone once mended', async () => {
  writeText('version: 1\ntunnels:\n  alpha: [\n');
  await page.until(`${verdict} === 'Manifest rejected'`);
  await page.until("/:\\d+:\\d+/.test(document.querySelector('#banner .place').textContent)");
  await picture('rejected');
  write(declared);
  await page.until(`${verdict} === 'All as declared'`);
  await page.until("!document.querySelector('#banner .notice')");
});

test('a stop for 30 minutes is an override with a countdown, and can be released', async () => {
  await page.click(`js:${rowOf('Alpha')}.querySelector('.actions .icon-button')`);
  await page.until("document.querySelector('dialog[open]')");
  await page.press('30 min', 'dialog');
  await picture('override-dialog');
  await page.press('Stop', 'dialog footer');
  await page.until(`${phaseOf('Alpha')} === 'stopped'`);
  await page.until(`/override: stopped, (30m|29m \\d+s) left/.test(${badgeOf('Alpha')}.textContent)`);
  await page.until(`${verdict} === '1 tunnel overridden'`);
  await picture('overridden');
  await page.press('Release', '.rows');
  await page.until(`${phaseOf('Alpha')} === 'ready' && ${badgeOf('Alpha')}.hidden`);
  await page.until(`${verdict} === 'All as declared'`);
});

test('a declared tunnel that was deleted stays visible and comes back by release', async () => {
  await page.click(`js:${rowOf('beta')}.querySelector('.actions .icon-button:last-child')`);
  await page.press('Delete…', '.menu');
  await page.until("document.querySelector('dialog[open]')");
  await page.press('Delete', 'dialog footer');
  await page.until(`${phaseOf('beta')} === 'absent'`);
  await page.press('Release', '.rows');
  await page.until(`${phaseOf('beta')} === 'connecting'`);
});

test('the list is worked by keyboard', async () => {
  await page.key('/');
  assert.equal(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Filter tunnels');
  await page.send('Input.insertText', { text: 'alp' });
  await page.until(`${rowOf('Alpha')} && !${rowOf('beta')}`);
  await page.fill("[aria-label='Filter tunnels']", '');
  await page.key('Escape');
  await page.until(rowOf('beta'));
  await page.evaluate(`${rowOf('Alpha')}.focus()`);
  await page.key('ArrowDown');
  assert.equal(await page.evaluate(`document.activeElement === ${rowOf('beta')}`), true);
  await page.key('ArrowUp');
  await page.key('Enter');
  await page.until("document.querySelector('.detail h1')?.textContent === 'Alpha'");
  await page.key('Escape');
  await page.until(rowOf('Alpha'));
  assert.equal(await page.evaluate(`document.activeElement === ${rowOf('Alpha')}`), true);
});

test('a tunnel in full has its plot, its log and its phases', async () => {
  assert.equal(await through(alphaPort), 200);
  await page.click(`js:${rowOf('Alpha')}.querySelector('.name')`);
  await page.until("document.querySelector('.timeline .phase')");
  await page.until("document.querySelector('.log-lines li')");
  await page.press('15m', '.traffic-plot');
  await page.until("document.querySelector('.plot .line.in')?.getAttribute('d')", 40_000);
  await page.evaluate("document.querySelector('.plot').focus()");
  await page.key('ArrowLeft');
  await page.until("/\\/s/.test(document.querySelector('.readout .entry.in').textContent)");
  await page.evaluate('scrollTo(0, 0)');
  await picture('tunnel');
});

test('a tunnel key is shown only where one asks for it', async () => {
  await tabTo('Tunnels');
  await page.until(rowOf('beta'));
  assert.equal(await page.evaluate(`document.documentElement.outerHTML.includes(${JSON.stringify(secret)})`), false);
  await page.click(`js:${rowOf('beta')}.querySelector('.name')`);
  await page.until("[...document.querySelectorAll('button')].some((button) => button.textContent === 'Reveal key')");
  assert.equal(await page.evaluate(`document.documentElement.outerHTML.includes(${JSON.stringify(secret)})`), false);
  await page.press('Reveal key');
  await page.until(`document.querySelector('.facts .url').textContent.includes(${JSON.stringify(secret)})`);
  await page.press('Hide key');
  await page.until(`!document.documentElement.outerHTML.includes(${JSON.stringify(secret)})`);
});

test('the plan shows files and pasted YAML, and reconciling tells each outcome', async () => {
  await tabTo('Plan');
  await page.until("document.querySelector('.plan-summary b')?.textContent === 'Nothing to do'");
  await page.press('Reconcile now');
  await page.until("[...document.querySelectorAll('.outcomes a')].some((link) => link.textContent === 'alpha')",
    40_000);
  await page.press('Pasted YAML', '.plan');
  await page.fill('.paste textarea', `version: 1\ntunnels:\n  fresh: ${JSON.stringify(client(deltaPort, {}))}\n`);
  await page.press('Plan', '.view-head');
  await page.until("document.querySelector('.step .symbol')?.textContent === '+'");
  await picture('plan');
  await page.fill('.paste textarea', 'version: 1\ntunnels: [broken\n');
  await page.press('Plan', '.view-head');
  await page.until("/:\\d+:\\d+/.test(document.querySelector('.plan-result .diagnostics .place').textContent)");
});

test('the form names the field that is wrong, creates, and what it created can be deleted', async () => {
  await tabTo('Tunnels');
  await page.press('New tunnel', '.verdict');
  await page.fill('dialog [data-path="tunnel"]', '127.0.0.1:99999');
  await page.fill('dialog [data-path="target"]', target);
  await page.fill('dialog [data-path="alias"]', 'By hand');
  await page.until("/port/.test(document.querySelector('dialog .field.tunnel .error').textContent)");
  await picture('create-refused');
  await page.fill('dialog [data-path="tunnel"]', `127.0.0.1:${otherPort}`);
  await page.until("document.querySelector('dialog .check.good')");
  await page.press('Create', 'dialog footer');
  await page.until("document.querySelector('.detail h1')?.textContent === 'By hand'");
  await page.press('Delete', '.detail-head');
  await page.until("document.querySelector('dialog[open]')");
  await page.press('Delete', 'dialog footer');
  await page.until(`${rowOf('Alpha')} && !${rowOf('By hand')}`);
});

test('events of tunnels and of the reconciler stand in one list', async () => {
  await tabTo('Events');
  await page.until("[...document.querySelectorAll('.feed .type')].some((type) => type.textContent === 'override')");
  await page.until("[...document.querySelectorAll('.feed .type')].some((type) => type.textContent === 'update')");
  await picture('events');
});

test('the export is a file', async () => {
  await browser.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: path.resolve(output),
    eventsEnabled: true });
  const started = browser.once('Browser.downloadWillBegin');
  await page.press('Export');
  await page.press('Download', 'dialog footer');
  assert.equal((await started).suggestedFilename, 'nodepass.yaml');
});

test('the theme is remembered', async () => {
  await page.click('#theme');
  assert.equal(await page.evaluate('document.documentElement.dataset.theme'), 'light');
  await page.click('#theme');
  await page.goto(`${base}/`);
  assert.equal(await page.evaluate('document.documentElement.dataset.theme'), 'dark');
  await page.until(rowOf('Alpha'));
  await picture('dark');
  await page.click('#theme');
  assert.equal(await page.evaluate('document.documentElement.dataset.theme'), undefined);
});

test('nothing hangs over the side of a phone', async () => {
  await page.resize(380, 800);
  const views = [['#/', '.rows .row'], ['#/plan', '.plan-summary'], ['#/events', '.events'],
    [`#/tunnels/${await page.evaluate(`${rowOf('Alpha')}.dataset.id`)}`, '.plot .line']];
  for (const [hash, ready] of views) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.until(`document.querySelector(${JSON.stringify(ready)})?.checkVisibility()`, 40_000);
    assert.ok(await page.overflow() <= 0, `${hash} is ${await page.overflow()} px too wide`);
    await picture(`phone-${hash.split('/')[1] || 'table'}`);
  }
});

test('the documentation shows the API and tries it', async () => {
  const docs = await page.evaluate("document.querySelector('.bar nav a[href$=\"/docs\"]').getAttribute('href')");
  await page.goto(`${base}${docs}#listInstances`);
  await page.until("document.querySelector('#listInstances .trial')");
  assert.ok(await page.overflow() <= 0, `the documentation is ${await page.overflow()} px too wide`);
  await picture('phone-docs');
  await page.resize(1440, 900);
  await page.press('Try it', '#listInstances');
  await page.until("document.querySelector('#listInstances form')");
  await page.press('Send', '#listInstances');
  await page.until("document.querySelector('#listInstances .status b')?.textContent.startsWith('200')");
  await page.until("/\"Alpha\"/.test(document.querySelector('#listInstances .output').textContent)");
  await picture('docs');
});

test('the documentation shows a stream until it is stopped', async () => {
  await page.press('Try it', '#streamEvents');
  await page.until("document.querySelector('#streamEvents form')");
  await page.press('Send', '#streamEvents');
  await page.until("/event: instance/.test(document.querySelector('#streamEvents .output')?.textContent)");
  await page.press('Stop', '#streamEvents');
  await page.until("document.querySelector('#streamEvents .ended')?.textContent === 'Stopped'");
});

browser = await Browser.launch();
page = await browser.open(1440, 900);
let failures = 0;
for (const [name, run] of tests) {
  try {
    await run();
    assert.deepEqual(unexpected(), [], 'the console is not silent');
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${error.message}`);
    await picture(`failed-${failures}`).catch(() => {});
  }
  page.problems.length = 0;
}
await browser.close();
console.log(`${tests.length - failures} passed, ${failures} failed`);
process.exit(failures ? 1 : 0);
