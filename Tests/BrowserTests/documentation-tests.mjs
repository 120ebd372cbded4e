// The page that documents the API, and both pages below the path of a reverse proxy.

import assert from 'node:assert/strict';
import { createServer as createProxy, request as ask } from 'node:http';

/** Adds the tests; `phaseOf(label)` is an expression for the phase in a tunnel's row. */
export function documentationTests(test, { page, base, key, phaseOf, picture }) {
  test('the documentation groups the API and tries it with the key of the tab', async () => {
    await page.press('API', '.bar nav');
    await page.until("document.querySelector('#listInstances .trial')");
    const headings = "[...document.querySelectorAll('#operations h2')].map((one) => one.textContent.toLowerCase())";
    const groups = await page.evaluate(headings);
    assert.ok(groups.includes('instances') && groups.length > 4, `groups are ${groups}`);
    assert.equal(await page.evaluate("document.getElementById('key').value"), key);
    await page.press('Try it', '#listInstances');
    await page.until("document.querySelector('#listInstances form')");
    await page.press('Send', '#listInstances');
    await page.until("document.querySelector('#listInstances .status b')?.textContent.startsWith('200')");
    await page.until("/\\d+ ms, .*B/.test(document.querySelector('#listInstances .status').textContent)");
    const headers = await page.evaluate("document.querySelector('#listInstances .headers').textContent");
    assert.match(headers, /^content-type: application\/json/m);
    await page.until("/\"Alpha\"/.test(document.querySelector('#listInstances .output').textContent)");
    await picture('docs');
  });

  test('the documentation reads schemas, and shows a refusal as it came', async () => {
    await page.press('Instance', '#schemas');
    await page.until("document.querySelector('#schema-Instance .schema .name')?.textContent === 'id'");
    await page.fill('#key', 'wrong');
    await page.press('Send', '#listInstances');
    await page.until("document.querySelector('#listInstances .status b')?.textContent.startsWith('401')");
    await page.fill('#key', key);
    await page.resize(380, 800);
    assert.equal(await page.overflow(), '', 'the documentation is too wide');
    await picture('phone-docs');
    await page.resize(1440, 900);
  });

  test('the documentation shows a stream until it is stopped', async () => {
    await page.press('Try it', '#streamEvents');
    await page.until("document.querySelector('#streamEvents form')");
    await page.press('Send', '#streamEvents');
    await page.until("/event: instance/.test(document.querySelector('#streamEvents .output')?.textContent)");
    await page.press('Stop', '#streamEvents');
    await page.until("document.querySelector('#streamEvents .ended')?.textContent === 'Stopped'");
  });

  test('below the path of a reverse proxy it loads, asks and follows, too', async () => {
    const proxy = createProxy((request, response) => {
      if (!request.url.startsWith('/np/')) {
        response.writeHead(404).end();
        return;
      }
      const { method, headers } = request;
      const onward = ask(new URL(request.url.slice('/np/'.length), `${base}/`), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      response.on('close', () => onward.destroy());
      request.pipe(onward.on('error', () => response.destroy()));
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const place = `http://127.0.0.1:${proxy.address().port}/np/`;
    await page.goto(place);
    await page.until("!document.getElementById('login').hidden");
    await page.fill('#login-key', key);
    await page.press('Sign in');
    await page.until(`${phaseOf('Alpha')} === 'ready'`);
    await page.until("document.querySelector('nav a:last-child').href.endsWith('/np/api/v1/docs')");
    await page.goto(`${place}api/v1/docs`);
    await page.until("document.querySelector('#listInstances')");
    await page.press('Try it', '#listInstances');
    await page.until("document.querySelector('#listInstances form')");
    await page.press('Send', '#listInstances');
    await page.until("/200/.test(document.querySelector('#listInstances .status')?.textContent)");
    await page.goto('about:blank');
    proxy.closeAllConnections();
    proxy.close();
  });
}
