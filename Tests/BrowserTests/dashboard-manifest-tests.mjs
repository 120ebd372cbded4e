// The dashboard: signing in, following the manifest, overrides.

import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import {
  badgeOf, base, betaPort, choose, client, declared, dialogIsOpen, gammaPort, key, page, phaseOf,
  picture, rowOf, says, tabTo, target, test, text, verdict, write, writeText,
} from './scene.mjs';

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
