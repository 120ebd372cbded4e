// Drives a headless Chromium over the DevTools protocol on a pipe: no port, no package.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const answerLimit = 30_000;

/** The browser of `CHROMIUM`, or the first of the usual places. */
function executable() {
  const found = [process.env.CHROMIUM, ...candidates].find((file) => file && existsSync(file));
  if (!found) throw new Error('no Chromium; say where it is in CHROMIUM');
  return found;
}

export class Browser {
  static async launch() {
    const browser = new Browser();
    await browser.send('Browser.getVersion');
    return browser;
  }

  constructor() {
    this.profile = mkdtempSync(path.join(tmpdir(), 'nodepass-browser-'));
    // Chromium refuses to run with its sandbox as root, which is who tests in a container.
    const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
    const flags = [...sandbox, '--headless=new', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
      '--disable-extensions',
      '--disable-background-networking', '--disable-dev-shm-usage', '--remote-debugging-pipe',
        `--user-data-dir=${this.profile}`, 'about:blank'];
    this.process = spawn(executable(), flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.calls = new Map();
    this.listeners = new Map();
    this.nextID = 1;
    this.rest = Buffer.alloc(0);
    this.process.stdio[4].on('data', (chunk) => this.read(chunk));
  }

  /** Messages end with a zero byte. */
  read(chunk) {
    let data = Buffer.concat([this.rest, chunk]);
    for (let end = data.indexOf(0); end >= 0; end = data.indexOf(0)) {
      this.take(JSON.parse(data.subarray(0, end).toString('utf8')));
      data = data.subarray(end + 1);
    }
    this.rest = data;
  }

  take(message) {
    const call = this.calls.get(message.id);
    if (call) {
      this.calls.delete(message.id);
      clearTimeout(call.timer);
      if (message.error) call.reject(new Error(`${call.method}: ${message.error.message}`));
      else call.resolve(message.result);
    } else {
      this.listeners.get(message.sessionId)?.(message.method, message.params);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.nextID;
    this.nextID += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), answerLimit);
      this.calls.set(id, { resolve, reject, method, timer });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** The next event of the browser itself with this name. */
  once(name) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name}: it did not happen`)), answerLimit);
      this.listeners.set(undefined, (method, params) => {
        if (method !== name) return;
        clearTimeout(timer);
        resolve(params);
      });
    });
  }

  /** A new tab of the given size. */
  async open(width, height) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, targetId, sessionId);
    this.listeners.set(sessionId, (method, params) => page.event(method, params));
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    await page.resize(width, height);
    return page;
  }

  async close() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    await this.send('Browser.close').catch(() => this.process.kill());
    await ended;
    rmSync(this.profile, { recursive: true, force: true });
  }
}

export class Page {
  constructor(browser, targetId, sessionId) {
    this.browser = browser;
    this.targetId = targetId;
    this.sessionId = sessionId;
    /** Console errors, exceptions, refused resources and CSP violations since the page was opened. */
    this.problems = [];
    this.waiting = [];
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  async close() {
    await this.browser.send('Target.closeTarget', { targetId: this.targetId });
  }

  event(method, params) {
    const problem = problemIn(method, params);
    if (problem) this.problems.push(problem);
    this.waiting = this.waiting.filter(({ name, resolve }) => name !== method || void resolve(params));
  }

  once(name) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name}: it did not happen`)), answerLimit);
      this.waiting.push({ name, resolve: (params) => { clearTimeout(timer); resolve(params); } });
    });
  }

  async resize(width, height, isTouch = width < 500) {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: isTouch });
  }

  async colors(scheme) {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  }

  /** Opens another page: an address that differs in its fragment alone loads nothing. */
  async goto(url) {
    const loaded = this.once('Page.loadEventFired');
    await this.send('Page.navigate', { url });
    await loaded;
  }

  async reload() {
    const loaded = this.once('Page.loadEventFired');
    await this.send('Page.reload');
    await loaded;
  }

  /** The value of an expression, or of the promise it is. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /**
   * Waits until an expression is true, looking after each change of the document rather than after a time; a page that
   * is left meanwhile has its successor asked.
   */
  async until(expression, limit = 15_000) {
    const wait = `(${untilTrue})(() => ${expression}, ${JSON.stringify(expression)}, ${limit})`;
    for (;;) {
      try {
        await this.evaluate(wait);
        return;
      } catch (error) {
        if (!leftPage.test(error.message)) throw error;
      }
    }
  }

  /** Clicks the middle of an element with the mouse, as a reader would; `js:` begins an expression. */
  async click(selector) {
    const isExpression = selector.startsWith('js:');
    const node = isExpression ? selector.slice(3) : `document.querySelector(${JSON.stringify(selector)})`;
    const point = await this.evaluate(`(${middle})(${node}, ${JSON.stringify(selector)})`);
    for (const type of ['mousePressed', 'mouseReleased']) {
      await this.send('Input.dispatchMouseEvent', { type, ...point, button: 'left', clickCount: 1 });
    }
  }

  /** Clicks the visible button or link with this text, or one that a pattern finds, inside an element. */
  async press(text, within = 'body') {
    const candidates = JSON.stringify(`${within} :is(button, a, summary)`);
    const fits = text instanceof RegExp ? `${text}.test(node.textContent.trim())`
      : `node.textContent.trim() === ${JSON.stringify(text)}`;
    await this.click(`js:[...document.querySelectorAll(${candidates})]
      .find((node) => ${fits} && node.checkVisibility())`);
  }

  /** Types into a field in place of what it holds. */
  async fill(selector, text) {
    await this.evaluate(`(${emptied})(document.querySelector(${JSON.stringify(selector)}))`);
    if (text) await this.send('Input.insertText', { text });
  }

  async key(key) {
    const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
    const windowsVirtualKeyCode = keyCodes[key] ?? 0;
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key, text, windowsVirtualKeyCode });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key });
  }

  /** Presses the tabulator until the focus is where the expression says. */
  async tabUntil(expression, most = 40) {
    for (let count = 0; count < most; count += 1) {
      if (await this.evaluate(`Boolean(${expression})`)) return;
      await this.key('Tab');
    }
    throw new Error(`never reached by tabulator: ${expression}`);
  }

  /** A picture of the window, or of the whole page. */
  async screenshot(isWhole = false) {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: isWhole });
    return Buffer.from(data, 'base64');
  }

  /** What makes the page scroll sideways, in words; empty is right. */
  overflow() {
    return this.evaluate(`(${sticksOut})()`);
  }
}

/** What the protocol says of an expression whose page has gone. */
const leftPage = /navigated or closed|context was destroyed|Cannot find (default )?(execution )?context/;

const keyCodes = { Tab: 9, Enter: 13, Escape: 27, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 };

/** What an event of the protocol says against the page; empty for all others. */
function problemIn(method, params) {
  if (method === 'Runtime.exceptionThrown') {
    const { exception, text } = params.exceptionDetails;
    return `exception: ${exception?.description ?? text}`;
  }
  if (method === 'Runtime.consoleAPICalled' && params.type === 'error') {
    return `console: ${params.args.map((one) => one.value ?? one.description).join(' ')}`;
  }
  if (method === 'Log.entryAdded' && params.entry.level === 'error') {
    const { source, text, url = '' } = params.entry;
    return `${source}: ${text} ${url}`;
  }
  return '';
}

// The functions below run in the page: they are sent there as text.

function untilTrue(condition, words, limit) {
  return new Promise((resolve, reject) => {
    const holds = () => {
      try { return Boolean(condition()); } catch { return false; }
    };
    if (holds()) {
      resolve(true);
      return;
    }
    const observer = new MutationObserver(() => {
      if (!holds()) return;
      observer.disconnect();
      resolve(true);
    });
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    setTimeout(() => {
      observer.disconnect();
      reject(new Error(`never true: ${words}`));
    }, limit);
  });
}

function middle(node, words) {
  if (!node) throw new Error(`nothing to click: ${words}`);
  node.scrollIntoView({ block: 'center', inline: 'nearest' });
  const box = node.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

function sticksOut() {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return '';
  const wide = [...document.body.querySelectorAll('*')]
    .filter((node) => node.getBoundingClientRect().right > clientWidth + 0.5)
    .map((node) => `${node.tagName.toLowerCase()}.${node.getAttribute('class') ?? ''}`);
  return `${scrollWidth - clientWidth} px by ${wide.slice(0, 8).join(', ')}`;
}

function emptied(field) {
  field.focus();
  field.value = '';
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
