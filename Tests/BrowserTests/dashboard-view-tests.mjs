// The dashboard: its views, its keys, its looks, and many tunnels.

import assert from 'node:assert/strict';
import path from 'node:path';
import {
  alphaPort, badgeOf, base, browser, chip, client, declared, deltaPort, dialogIsOpen, feedHas, gammaPort, has, key,
  movedPort, output, page, phaseOf, picture, rowOf, sampleLimit, secret, tabTo, test, text, through,
  verdict, write,
} from './scene.mjs';

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
