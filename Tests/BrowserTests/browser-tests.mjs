// The dashboard and the documentation in a real browser, against a running daemon.
//
//     node browser-tests.mjs http://127.0.0.1:9090 API-KEY tunnels.yaml PORT,PORT,PORT,PORT,PORT,PORT
//
// The daemon must have been started with that manifest, which the tests write; on the ports nobody may listen. Chromium
// is that of $CHROMIUM or of the usual places. Pictures go to $NODEPASS_SCREENSHOTS, or .build/screenshots.

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { Browser } from './chromium.mjs';
import { documentationTests } from './documentation-tests.mjs';

const [base, key, manifest, portList] = process.argv.slice(2);
if (!portList) {
  console.error('usage: browser-tests.mjs BASE-URL API-KEY MANIFEST PORTS');
  process.exit(2);
}
const output = process.env.NODEPASS_SCREENSHOTS || '.build/screenshots';
const secret = 'a-tunnel-key-nobody-may-see';
/** Samples of traffic are taken every five seconds. */
const sampleLimit = 20_000;
const runLimit = 270_000;
const [alphaPort, betaPort, gammaPort, deltaPort, handPort, movedPort] = portList.split(',').map(Number);
mkdirSync(output, { recursive: true });

/** What the tunnels lead to: gives everything back. */
const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
await new Promise((resolve) => echo.listen(0, '127.0.0.1', resolve));
const target = `127.0.0.1:${echo.address().port}`;

/** Sends this many bytes through a tunnel and waits until they are back. */
function through(port, amount) {
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

/** Whether this daemon has an operation, or a parameter of one; pages do without those that are missing. */
const description = await (await fetch(`${base}/api/v1/openapi.json`)).json();
const has = (resource, parameter) => {
  const operation = description.paths[`/api/v1${resource}`]?.get;
  return Boolean(operation && (!parameter || operation.parameters?.some(({ name }) => name === parameter)));
};

// The page, in the terms of its reader.

const text = JSON.stringify;
const rowOf = (label) => `[...document.querySelectorAll('.rows .row')].find((row) => row.checkVisibility()
  && row.querySelector('.name').textContent === ${text(label)})`;
const badgeOf = (label) => `${rowOf(label)}.querySelector('.badge')`;
const phaseOf = (label) => `${rowOf(label)}?.querySelector('.phase').textContent`;
const verdict = "document.getElementById('verdict-text').textContent";
const tabTo = (name) => page.press(name, '.bar nav');
const dialogIsOpen = "document.querySelector('dialog[open]')";
const chip = (label) => `[...document.querySelectorAll('.chips button')].find((one) => one.textContent.startsWith('${label}'))`;
/** The headline; from half a minute on `beta`, which has no client, outranks what is not urgent. */
const says = (words) => `[${JSON.stringify(words)}, '1 tunnel not serving'].includes(${verdict})`;
const feedHas = (type, words) => `[...document.querySelectorAll('.events .feed li')].some((entry) =>
  entry.querySelector('.type').textContent === ${text(type)} && entry.textContent.includes(${text(words)}))`;

/** Chooses an entry of a row's menu. */
async function choose(label, entry) {
  await page.click(`js:${rowOf(label)}.querySelector('.actions .icon-button:last-child')`);
  await page.press(entry, '.menu');
}

const tests = [];
const test = (name, run) => tests.push([name, run]);

/** What the page complained of, but for the refusals that the tests ask for and what a daemon may lack. */
function unexpected() {
  const lacks = has('/history') ? null : /^network: .*status of 404.*\/history/;
  return page.problems.filter((problem) => !/^network: .*status of (400|401|403|422)/.test(problem)
    && !lacks?.test(problem));
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

test('without tunnels it says how to get one', async () => {
  await page.fill('#login-key', key);
  await page.press('Sign in');
  await page.until("document.querySelector('.empty h2')?.textContent === 'No tunnels yet'");
  await page.until(`${verdict} === 'No tunnels'`);
  await picture('empty');
});

test('the tunnels of the manifest appear with phase, place and revision', async () => {
  write(declared);
  await page.until(`${phaseOf('Alpha')} === 'ready'`);
  await page.until(`${phaseOf('beta')} === 'connecting'`);
  await page.until(`${verdict} === 'All as declared'`);
  const place = await page.evaluate(`${rowOf('Alpha')}.querySelector('.source').textContent`);
  assert.equal(place, 'tunnels.yaml:3 · alpha');
  assert.match(await page.evaluate("document.getElementById('revision-applied').textContent"), /^[0-9a-f]{12}$/);
  assert.equal(await page.evaluate('document.title'), `All as declared · ${hostname()}`);
  const way = await page.evaluate(`${rowOf('beta')}.querySelector('.route').textContent`);
  assert.equal(way, `client → tunnel 127.0.0.1:${betaPort} → ${target}`);
});

test('the key is kept for the tab and nowhere else', async () => {
  const place = new URL(base).pathname.replace(/\/$/, '');
  assert.equal(await page.evaluate(`sessionStorage.getItem('nodepass-key${place}')`), key);
  assert.equal(await page.evaluate('JSON.stringify({ ...localStorage }) + document.cookie'), '{}');
  assert.equal(await page.evaluate(`document.documentElement.outerHTML.includes(${text(key)})`), false);
});

test('an edit of the manifest is followed while one looks', async () => {
  write({ ...declared, alpha: { ...declared.alpha, alias: 'Alpha renamed' }, gamma: client(gammaPort, {}) });
  await page.until(rowOf('Alpha renamed'));
  await page.until(`${phaseOf('gamma')} === 'ready'`);
  write(declared);
  await page.until(`${rowOf('Alpha')} && !${rowOf('gamma')}`);
});

test('a manifest that cannot be read is shown with its line, until it is fixed', async () => {
  writeText('version: 1\ntunnels:\n  alpha: [\n');
  await page.until(`${verdict} === 'Manifest rejected'`);
  await page.until("/:\\d+:\\d+/.test(document.querySelector('#banner .place').textContent)");
  await picture('rejected');
  write(declared);
  await page.until(says('All as declared'));
  await page.until("!document.querySelector('#banner .notice')");
});

test('a declaration that was never valid has a row that says why', async () => {
  write({ ...declared, wrong: client(99_999, {}) });
  await page.until(`${phaseOf('wrong')} === 'invalid'`);
  await tabTo('Plan');
  await page.until(`document.querySelector('.plan-summary b')?.textContent === '1 declaration invalid, otherwise nothing to do'
    && Boolean(document.querySelector('.plan-summary [data-icon="triangle"]'))`);
  await tabTo('Tunnels');
  await page.until(`/is not a port/.test(${rowOf('wrong')}.querySelector('.note').textContent)`);
  await page.until(`${verdict} === '1 failing'`);
  await picture('invalid');
  write(declared);
  await page.until(`!${rowOf('wrong')}`);
});

test('a stop for 30 minutes is an override with author, reason and countdown, and can be released', async () => {
  await page.click(`js:${rowOf('Alpha')}.querySelector('.actions .icon-button')`);
  await page.until(dialogIsOpen);
  assert.equal(await page.evaluate("document.activeElement.matches('[aria-pressed=\"true\"]') && document.activeElement.textContent"),
    '2 h');
  await page.fill('dialog [data-path="note"]', 'INC-42');
  await page.press('30 min', 'dialog');
  await picture('override-dialog');
  await page.press('Stop', 'dialog footer');
  await page.until(`${phaseOf('Alpha')} === 'stopped'`);
  await page.until(`/stopped by API key .127.0.0.1. .INC-42., .*(30m|29m \\d+s) left/.test(${badgeOf('Alpha')}.textContent)`);
  await page.until(says('1 tunnel overridden'));
  await page.until(`/The manifest says: running/.test(${badgeOf('Alpha')}.title)`);
  await picture('overridden');
  await page.press('Release', '.rows');
  await page.until(`${phaseOf('Alpha')} === 'ready' && ${badgeOf('Alpha')}.hidden`);
  await page.until(says('All as declared'));
});

test('a declared tunnel that was deleted stays visible and comes back by release', async () => {
  await choose('beta', 'Delete…');
  await page.until(dialogIsOpen);
  await page.press('Delete', 'dialog footer');
  await page.until(`${phaseOf('beta')} === 'absent'`);
  await page.until(`/deleted by API key .127.0.0.1./.test(${badgeOf('beta')}.textContent)`);
  await page.press('Release', '.rows');
  await page.until(`${phaseOf('beta')} === 'connecting'`);
});

test('several tunnels are stopped and released at once', async () => {
  const check = (label) => page.click(`js:${rowOf(label)}.querySelector('.select input')`);
  await check('Alpha');
  await check('beta');
  await page.until("document.querySelector('.bulk b').textContent === '2 selected'");
  await page.press('Stop…', '.bulk');
  await page.until(dialogIsOpen);
  await page.until("/^Stop 2 tunnels$/.test(document.querySelector('dialog h2').textContent)");
  await page.press('Stop', 'dialog footer');
  await page.until(`${phaseOf('Alpha')} === 'stopped' && ${phaseOf('beta')} === 'stopped'`);
  await page.until("document.querySelector('.bulk').hidden && !document.querySelector('dialog')");
  await picture('bulk');
  await page.click('.head .select input');
  await page.press('Release…', '.bulk');
  await page.until(dialogIsOpen);
  await page.press('Release', 'dialog footer');
  await page.until(`${phaseOf('Alpha')} === 'ready' && ${phaseOf('beta')} === 'connecting'`);
  await page.until("!document.querySelector('dialog')");
});

test('the form says what a tunnel would run into, and has every key of the manifest', async () => {
  await page.press('New tunnel', '.verdict');
  await page.until(dialogIsOpen);
  await page.fill('dialog [data-path="tunnel"]', `127.0.0.1:${alphaPort}`);
  await page.fill('dialog [data-path="target"]', target);
  await page.until("/the tunnel 'alpha' listens on this address/.test(document.querySelector('dialog .field.tunnel .error').textContent)");
  await page.until("/could not run now/.test(document.querySelector('dialog .check.bad').textContent)");
  await page.press('Server', 'dialog');
  await page.fill('dialog [data-path="tunnel"]', `0.0.0.0:${handPort}`);
  await page.until("/is not set/.test(document.querySelector('dialog .field.key .error.warn')?.textContent)");
  await page.until("/is off/.test(document.querySelector('dialog .field.tls .error.warn')?.textContent)");
  await picture('create-warned');
  const names = ({ properties }, prefix = '') => Object.entries(properties).flatMap(([name, one]) => {
    const group = [one, ...one.anyOf ?? []].find((form) => form.properties);
    return group ? names(group, `${prefix}${name}.`) : [prefix + name];
  });
  const inForm = await page.evaluate("[...document.querySelectorAll('dialog [data-path]')].map((one) => one.dataset.path)");
  const missing = names(description.components.schemas.TunnelSpec)
    .filter((name) => ![...inForm, 'role', 'mode', 'state'].includes(name));
  assert.deepEqual(missing, []);
  await page.press('Cancel', 'dialog');
  await page.until("!document.querySelector('dialog')");
});

test('the form names the field that is wrong, and creates what is right', async () => {
  await page.press('New tunnel', '.verdict');
  await page.until(dialogIsOpen);
  await page.fill('dialog [data-path="tunnel"]', '127.0.0.1:99999');
  await page.fill('dialog [data-path="target"]', target);
  await page.fill('dialog [data-path="alias"]', 'By hand');
  await page.until("/port/.test(document.querySelector('dialog .field.tunnel .error').textContent)");
  await picture('create-refused');
  await page.fill('dialog [data-path="tunnel"]', `127.0.0.1:${handPort}`);
  await page.until("document.querySelector('dialog .check.good')");
  await page.press('Create', 'dialog footer');
  await page.until("document.querySelector('.detail h1')?.textContent === 'By hand'");
  await page.until("document.querySelector('.detail .title .phase').textContent === 'ready'");
});

test('its log is live, and stop, start, restart and reset do what they say', async () => {
  const startedLines = `[...document.querySelectorAll('.log-lines li')]
    .filter((line) => line.textContent.includes('Client started')).length`;
  await page.until(`${startedLines} === 1`);
  const phase = "document.querySelector('.detail .title .phase').textContent";
  await page.press('Stop', '.detail-head');
  await page.until(`${phase} === 'stopped'`);
  await page.press('Start', '.detail-head');
  await page.until(`${phase} === 'ready' && ${startedLines} === 2`);
  await page.press('Restart', '.detail-head');
  await page.until(`${phase} === 'ready' && ${startedLines} === 3`);
  await through(handPort, 300_000);
  const received = `[...document.querySelectorAll('.facts dt')].find((term) => term.textContent === 'Traffic in')
    .nextSibling.textContent`;
  await page.until(`/^300 kB/.test(${received})`, sampleLimit);
  await picture('created');
  await page.press('Reset counters', '.detail-head');
  await page.until(`/^0 B/.test(${received})`);
});

test('what was created can be edited, with what it has', async () => {
  await page.press('Edit', '.detail-head');
  await page.until(dialogIsOpen);
  assert.equal(await page.evaluate("document.querySelector('dialog [data-path=\"target\"]').value"), target);
  await page.until("/stays as it is/.test(document.querySelector('dialog .check.good')?.textContent)");
  await page.fill('dialog [data-path="alias"]', 'By hand, edited');
  await page.press(/^All further keys/, 'dialog');
  await page.fill('dialog [data-path="limits.rate"]', '100Mbps');
  await page.until("/would accept this$/.test(document.querySelector('dialog .check.good')?.textContent)");
  await page.press('Save', 'dialog footer');
  await page.until("document.querySelector('.detail h1').textContent === 'By hand, edited'");
  await page.until("[...document.querySelectorAll('.list tr')].some((row) => /^limits.rate100Mbps/.test(row.textContent))");
  await page.until("!document.querySelector('dialog')");
});

test('what was created can be deleted', async () => {
  await page.press('Delete', '.detail-head');
  await page.until(dialogIsOpen);
  await page.press('Delete', 'dialog footer');
  await page.until(`${rowOf('Alpha')} && !${rowOf('By hand, edited')}`);
  await page.until(`!${dialogIsOpen}`);
});

test('all of it can be done by keyboard', async () => {
  await page.key('/');
  assert.equal(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Filter tunnels');
  await page.send('Input.insertText', { text: 'alp' });
  await page.until(`${rowOf('Alpha')} && !${rowOf('beta')}`);
  await page.fill("[aria-label='Filter tunnels']", '');
  await page.until(rowOf('beta'));
  const isOn = (label) => `document.activeElement === ${rowOf(label)}`;
  await page.tabUntil(isOn('Alpha'));
  await page.key('ArrowDown');
  await page.until(isOn('beta'));
  await page.key('ArrowUp');
  await page.key('Enter');
  await page.until("document.querySelector('.detail h1')?.textContent === 'Alpha'");
  await page.key('Escape');
  await page.until(isOn('Alpha'));
  await page.key(' ');
  await page.until("document.querySelector('.bulk b').textContent === '1 selected'");
  await page.key(' ');
  await page.until("document.querySelector('.bulk').hidden");
  await page.key('?');
  await page.until("/Select the tunnel/.test(document.querySelector('dialog')?.textContent)");
  await picture('help');
  await page.key('Escape');
  await page.until(`!${dialogIsOpen} && ${isOn('Alpha')}`);
  await page.key('ArrowRight');
  await page.key('ArrowRight');
  await page.key('Enter');
  await page.until(dialogIsOpen);
  await page.tabUntil("document.activeElement.matches('dialog footer .primary')");
  await picture('keyboard');
  await page.key('Enter');
  await page.until(`${phaseOf('Alpha')} === 'stopped' && !${badgeOf('Alpha')}.hidden`);
  await page.until("!document.querySelector('dialog')");
  await page.until(`document.activeElement.closest('.row') === ${rowOf('Alpha')}`);
  await page.key('ArrowLeft');
  await page.until("document.activeElement.classList.contains('release')");
  await page.key('Enter');
  await page.until(`${phaseOf('Alpha')} === 'ready'`);
});

test('a server without its client is in the headline, in its row and behind the filter', async () => {
  await page.until(`${verdict} === '1 tunnel not serving'`, 2 * sampleLimit);
  await page.until(`/no client is connected/.test(${rowOf('beta')}.querySelector('.note').textContent)`);
  await page.click(`js:${chip('Problems')}`);
  await page.until(`!${rowOf('Alpha')} && Boolean(${rowOf('beta')})`);
  await picture('not-serving');
  await page.click(`js:${chip('All')}`);
  await page.until(`Boolean(${rowOf('Alpha')})`);
});

test('a row draws what goes through its tunnel', async () => {
  await page.until(`!${rowOf('Alpha')}.querySelector('.spark .in').getAttribute('d')`);
  await through(alphaPort, 2_000_000);
  await page.until(`!/^0 B/.test(${rowOf('Alpha')}.querySelector('.rates .in').textContent.trim())`, sampleLimit);
  await page.until(`${rowOf('Alpha')}.querySelector('.spark .in').getAttribute('d')`, sampleLimit);
  await picture('traffic');
});

test('a tunnel in full has its fields with their lines, its phases and its log', async () => {
  await page.click(`js:${rowOf('Alpha')}.querySelector('.name')`);
  await page.until("document.querySelector('.timeline .phase')");
  await page.until("document.querySelector('.log-lines li')");
  await page.until(`[...document.querySelectorAll('.list tr')]
    .some((row) => /^aliasAlphameta.*:3$/.test(row.textContent))`);
});

test('the plot draws recorded traffic and reads out single points', async () => {
  if (!has('/instances/{id}/history')) {
    await page.until("/^No history/.test(document.querySelector('.plot-message').textContent)");
    return;
  }
  await page.press('1h', '.traffic-plot');
  await page.until("/ 2\\.\\d+ MB/.test(document.querySelector('.readout .entry.in').textContent)", sampleLimit);
  await page.press('15m', '.traffic-plot');
  await page.until("/last 15m/.test(document.querySelector('.readout').textContent)");
  await page.until("document.querySelector('.plot .line.in')?.getAttribute('d')");
  await page.evaluate("document.querySelector('.plot').focus()");
  await page.key('ArrowLeft');
  await page.until("/B\\/s/.test(document.querySelector('.readout .entry.in').textContent)");
  await page.evaluate('scrollTo(0, 0)');
  await picture('tunnel');
});

test('a tunnel key is shown only where one asks for it', async () => {
  const isInPage = `document.documentElement.outerHTML.includes(${text(secret)})`;
  await tabTo('Tunnels');
  await page.until(rowOf('beta'));
  assert.equal(await page.evaluate(isInPage), false);
  await page.click(`js:${rowOf('beta')}.querySelector('.name')`);
  await page.until("[...document.querySelectorAll('button')].some((one) => one.textContent === 'Reveal secrets')");
  assert.equal(await page.evaluate(isInPage), false);
  await page.press('Reveal secrets');
  await page.until(`document.querySelector('.facts .url').textContent.includes(${text(secret)})`);
  await page.press('Hide secrets');
  await page.until(`!${isInPage}`);
});

test('the plan shows what files and pasted YAML would change, and what each change costs', async () => {
  await tabTo('Plan');
  await page.until("document.querySelector('.plan-summary b')?.textContent === 'Nothing to do'");
  await page.press('Pasted YAML', '.plan');
  const alpha = { ...declared.alpha, tunnel: `127.0.0.1:${movedPort}`, alias: 'Moved' };
  const beta = { ...declared.beta, key: 'another', limits: { rate: '100Mbps' } };
  const pasted = JSON.stringify({ version: 1, tunnels: { alpha, beta, fresh: client(deltaPort, {}) } });
  await page.fill('.paste textarea', pasted);
  await page.press('Plan', '.view-head');
  await page.until("document.querySelectorAll('.step').length === 3");
  const steps = await page.evaluate(`[...document.querySelectorAll('.step')].map((step) =>
    [step.querySelector('b').textContent, step.querySelector('.what span').textContent,
      ...[...step.querySelectorAll('.changes .class')].map((one) => one.textContent)].join(' '))`);
  assert.deepEqual(steps.sort(), ['alpha rebind rebind meta', 'beta session session live', 'fresh create']);
  const result = await page.evaluate("document.querySelector('.plan-result').textContent");
  assert.doesNotMatch(result, /undefined|another/);
  await picture('plan');
  await page.fill('.paste textarea', 'version: 1\ntunnels: [broken\n');
  await page.press('Plan', '.view-head');
  await page.until("/:\\d+:\\d+/.test(document.querySelector('.plan-result .diagnostics .place').textContent)");
});

test('reconciling shows the outcome of each tunnel', async () => {
  await page.press('Files on disk', '.plan');
  await page.until("document.querySelector('.plan-summary b')?.textContent === 'Nothing to do'");
  await page.press('Reconcile now');
  await page.until(`[...document.querySelectorAll('.outcomes li')].map((line) => line.textContent).sort().join()
    === 'appliedalphaready,waitingbetaconnecting'`);
  await picture('outcome');
});

test('events of tunnels and of the reconciler stand in one list', async () => {
  await tabTo('Events');
  await page.until(feedHas('override', 'stopped by API key (127.0.0.1)'));
  await page.until(feedHas('release', 'released'));
  await page.until(feedHas('reject', ':4:1'));
  await page.until(feedHas('apply', 'the manifest can be read again'));
  await page.until(feedHas('apply', 'gamma created'));
  await page.until(feedHas('update', '→ ready'));
  assert.equal(await page.evaluate("/undefined|null/.test(document.querySelector('.feed').textContent)"), false);
  await picture('events');
});

test('a new page begins with what the reconciler did before', async () => {
  await page.reload();
  await page.until("document.querySelector('#verdict.bad') && document.querySelector('.events')");
  if (has('/reconcile/events', 'tail')) await page.until(feedHas('override', 'stopped by API key (127.0.0.1)'));
  await tabTo('Tunnels');
  await page.until(rowOf('Alpha'));
  if (has('/history')) await page.until(`${rowOf('Alpha')}.querySelector('.spark .in').getAttribute('d')`);
});

test('the export is a file', async () => {
  await browser.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: path.resolve(output),
    eventsEnabled: true });
  const started = browser.once('Browser.downloadWillBegin');
  await page.press('Export');
  await page.press('Download', 'dialog footer');
  assert.equal((await started).suggestedFilename, 'nodepass.yaml');
  await page.until("!document.querySelector('dialog')");
});

test('a key that may only read shows the tunnels, and no button that it may not use', async () => {
  const body = JSON.stringify({ label: 'viewer', role: 'read' });
  const made = await fetch(`${base}/api/v1/keys`, { method: 'POST', headers: { 'X-API-Key': key }, body });
  const viewer = (await made.json()).key;
  await page.click('#key');
  await page.fill('#login-key', viewer);
  await page.press('Sign in');
  await page.until(`${phaseOf('Alpha')} === 'ready'`);
  await page.until(`getComputedStyle(document.getElementById('new')).visibility !== 'visible'
    || getComputedStyle(document.querySelector('.verdict-buttons')).visibility === 'hidden'`);
  write({ ...declared, alpha: { ...declared.alpha, alias: 'Alpha read again' } });
  await page.until(rowOf('Alpha read again'), sampleLimit);
  write(declared);
  await page.until(rowOf('Alpha'), sampleLimit);
  await picture('read-only');
  await page.click('#key');
  await page.fill('#login-key', key);
  await page.press('Sign in');
  await page.until(`${phaseOf('Alpha')} === 'ready' && !document.body.classList.contains('read-only')`);
});

test('light and dark follow the system until one is chosen, which is remembered', async () => {
  const lightness = `parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])`;
  await page.colors('dark');
  assert.ok(await page.evaluate(lightness) < 40);
  await page.until("document.getAnimations().every((one) => one.playState !== 'running')");
  await picture('dark');
  await page.click('#theme');
  assert.ok(await page.evaluate(lightness) > 200);
  await page.click('#theme');
  await page.colors('light');
  await page.reload();
  await page.until(rowOf('Alpha'));
  assert.ok(await page.evaluate(lightness) < 40);
  await page.click('#theme');
  assert.ok(await page.evaluate(lightness) > 200);
});

test('nothing hangs over the side of a phone', async () => {
  const long = 'a-name-that-is-as-long-as-a-name-may-be-which-is-sixty-three-xx';
  write({ ...declared, [long]: client(gammaPort, { alias: 'wide '.repeat(40).trim() }) });
  await page.until(`document.querySelectorAll('.rows .row').length === 3`);
  const id = await page.evaluate("document.querySelector('.rows .row:last-child').dataset.id");
  await page.resize(380, 800);
  const views = [['#/', '.rows .row'], ['#/plan', '.plan-summary'], ['#/events', '.events'],
    [`#/tunnels/${id}`, '.timeline .phase']];
  for (const [hash, ready] of views) {
    await page.evaluate(`location.hash = ${text(hash)}`);
    await page.until(`document.querySelector(${text(ready)})?.checkVisibility()`);
    assert.equal(await page.overflow(), '', `${hash} is too wide`);
    await picture(`phone-${hash.split('/')[1] || 'table'}`);
  }
  await page.press('Delete', '.detail-head');
  await page.until(dialogIsOpen);
  await picture('phone-dialog');
  await page.press('Cancel', 'dialog');
  await page.resize(1440, 900);
});

test('names that others chose cannot leave their place, nor turn the order of what is beside them', async () => {
  await tabTo('Tunnels');
  const alias = '\u202egnorw \u001b[31m<b>x</b>\u0007 ' + 'w'.repeat(150);
  write({ ...declared, hostile: client(gammaPort, { alias, tags: { '\u2067t': '\u202ev' } }) });
  const row = "[...document.querySelectorAll('.rows .row')].find((one) => one.textContent.includes('gnorw'))";
  await page.until(`Boolean(${row})`);
  const shown = await page.evaluate(`${row}.textContent + [...${row}.querySelectorAll('[title], [aria-label]')]
    .map((one) => one.title + one.getAttribute('aria-label')).join('') + document.querySelector('.selects').textContent`);
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(shown, /[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]/);
  assert.equal(await page.evaluate(`${row}.querySelector('b')`), null);
  assert.equal(await page.overflow(), '');
  assert.ok(await page.evaluate(`${row}.querySelector('.name').getBoundingClientRect().right
    <= ${row}.querySelector('.flow').getBoundingClientRect().left`));
  write(declared);
});

test('of a thousand tunnels only those in the window are in the page', async () => {
  await tabTo('Tunnels');
  const many = Array.from({ length: 1_000 }, (_, index) =>
    [`many-${String(index).padStart(4, '0')}`, client(gammaPort, { state: 'stopped' })]);
  write({ ...declared, ...Object.fromEntries(many) });
  await page.until("document.querySelector('[data-group=\"\"] b').textContent === '1002'");
  await page.until("document.querySelector('.grid').getAttribute('aria-rowcount') === '1003'");
  assert.ok(await page.evaluate("document.querySelectorAll('.rows .row').length") < 40);
  await picture('thousand');
  await page.evaluate('scrollTo(0, document.body.scrollHeight)');
  await page.until(rowOf('many-0999'));
  assert.ok(await page.evaluate("document.querySelectorAll('.rows .row').length") < 40);
  write(declared);
  await page.until("document.querySelector('[data-group=\"\"] b').textContent === '2'");
});

// Each wait has its limit; this is for what none of them thought of. The browser ends with its pipe.
setTimeout(() => {
  console.log('FAIL  it took too long');
  process.exit(1);
}, runLimit).unref();

const browser = await Browser.launch();
const page = await browser.open(1440, 900);
await page.colors('light');
documentationTests(test, { page, base, key, phaseOf, picture });
let failures = 0;
for (const [name, run] of tests) {
  const started = performance.now();
  try {
    await run();
    assert.deepEqual(unexpected(), [], 'the console is not silent');
    console.log(`ok    ${name} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${error.message}`);
    await picture(`failed-${failures}`).catch(() => {});
  }
  page.problems.length = 0;
  // What follows builds on what went before: the first failures say what is wrong.
  if (failures === 3) break;
}
await browser.close();
echo.close();
console.log(failures ? `${failures} failed` : `all ${tests.length} passed`);
process.exit(failures ? 1 : 0);
