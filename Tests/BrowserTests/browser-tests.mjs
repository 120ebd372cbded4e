// The dashboard and the documentation in a real browser, against a running daemon.
//
//     node browser-tests.mjs http://127.0.0.1:9090 API-KEY tunnels.yaml PORT,PORT,PORT,PORT,PORT,PORT
//
// The daemon must have been started with that manifest, which the tests write; on the ports nobody may listen. Chromium
// is that of $CHROMIUM or of the usual places. Pictures go to $NODEPASS_SCREENSHOTS, or .build/screenshots.

import assert from 'node:assert/strict';
import { base, browser, echo, key, page, phaseOf, picture, test, tests, unexpected } from './scene.mjs';
import './dashboard-manifest-tests.mjs';
import './dashboard-create-tests.mjs';
import './dashboard-view-tests.mjs';
import { documentationTests } from './documentation-tests.mjs';

const runLimit = 270_000;

// Each wait has its limit; this is for what none of them thought of. The browser ends with its pipe.
setTimeout(() => {
  console.log('FAIL  it took too long');
  process.exit(1);
}, runLimit).unref();

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
