// The dashboard: tunnels that are made, edited and deleted in it.

import assert from 'node:assert/strict';
import {
  alphaPort, base, description, dialogIsOpen, handPort, page, picture, rowOf, sampleLimit, target, test,
  through,
} from './scene.mjs';

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

test('of tunnels that were created, only those that run count as running in the headline', async () => {
  const headline = (ready, stopped) => page.evaluate(`import('${base}/dashboard/verdict.js').then(({ verdict }) => {
    const groups = { failing: 0, trouble: 0, overridden: 0, waiting: 0, draining: 0, ready: ${ready}, stopped: ${stopped} };
    const totals = { isLoaded: true, tunnels: ${ready + stopped}, api: ${ready + stopped}, groups };
    const { title, parts } = verdict(totals, { ready: true, observed: 'a', applied: 'a' }, [], { state: 'live' });
    return [title, ...parts.map(({ text }) => text)].join(', ');
  })`);
  assert.equal(await headline(2, 0), '2 tunnels running as created');
  assert.equal(await headline(1, 1), '1 tunnel running as created, 1 stopped');
  assert.equal(await headline(0, 1), 'No tunnel is running, 1 stopped');
});
