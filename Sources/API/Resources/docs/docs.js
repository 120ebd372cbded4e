// The documentation: openapi.json drawn as a page that can be tried.

import { currentKey, forgetKey, keyHeaders, rememberKey, root } from '../shared/api.js';
import { copyButton, element, icon, prose, setText } from '../shared/dom.js';
import { bytes } from '../shared/format.js';
import { Schemas, onFirstOpen } from './schema.js';

const methods = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'];
/** A stream's answer shows this much of its end. */
const streamLimit = 40_000;
const page = (id) => document.getElementById(id);

/** Operations of the document, each with the parameters of its path and its group. */
function operationsOf(spec, base) {
  return Object.entries(spec.paths).flatMap(([path, item]) => methods.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    const below = path.startsWith(base) ? path.slice(base.length) : path;
    return {
      ...operation, path, below, method, id: operation.operationId ?? `${method}${path}`,
      parameters: [...item.parameters ?? [], ...operation.parameters ?? []],
      group: operation.tags?.[0] ?? (path.startsWith(base) ? below.split('/')[1] || 'root' : 'probes'),
      isOpen: Array.isArray(operation.security) && operation.security.length === 0,
    };
  }));
}

function groupsOf(operations) {
  const groups = new Map();
  for (const operation of operations) groups.set(operation.group, [...groups.get(operation.group) ?? [], operation]);
  return groups;
}

/** Looks the same everywhere: what is asked for, and where. */
function signature({ method, path }) {
  return [element('span', { className: `method ${method}` }, method.toUpperCase()),
    element('code', { className: 'path' }, path)];
}

class OperationView {
  constructor(operation, schemas) {
    this.operation = operation;
    this.schemas = schemas;
    this.body = this.bodyOf(operation.requestBody);
    this.node = element('section', { className: 'operation card', id: operation.id, 'aria-label': operation.summary
      ?? operation.id },
      element('header', {}, element('h3', {}, ...signature(operation)),
        element('a', { className: 'anchor muted', href: `#${operation.id}` }, operation.id)),
      element('div', { className: 'body' }, element('p', {}, prose(operation.summary)),
        operation.description && element('p', { className: 'muted' }, prose(operation.description)),
        operation.isOpen && element('p', { className: 'muted' }, 'No key needed.'), this.parameters(), this.request(),
          this.responses(), this.trial()));
  }

  get searchText() {
    const { method, path, id, summary = '', group } = this.operation;
    return [method, path, id, summary, group].join(' ').toLowerCase();
  }

  /** The first media type is the one the page sends. */
  bodyOf(requestBody) {
    const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? [];
    return type ? { type, schema: media.schema ?? {}, example: media.example, isRequired: requestBody.required } : null;
  }

  parameters() {
    if (!this.operation.parameters.length) return null;
    return element('div', { className: 'part' }, element('h4', {}, 'Parameters'),
      element('ul', { className: 'parameters' }, ...this.operation.parameters.map((one) => this.parameter(one))));
  }

  parameter({ name, schema = {}, description, required, in: place }) {
    return element('li', {}, element('code', { className: 'name' }, name),
      element('span', { className: 'type' }, `${this.schemas.typeText(schema)} in ${place}`),
      required && element('span', { className: 'required' }, 'required'),
      ...this.schemas.remarks({ ...schema, description }));
  }

  request() {
    if (!this.body) return null;
    return element('div', { className: 'part' },
      element('h4', {}, 'Body ', element('code', { className: 'muted' }, this.body.type)),
      this.schemas.view(this.body.schema));
  }

  responses() {
    return element('div', { className: 'part' }, element('h4', {}, 'Answers'),
      ...Object.entries(this.operation.responses ?? {}).map(([status, response]) => this.response(status, response)));
  }

  response(status, response) {
    const [type, media] = Object.entries(response.content ?? {})[0] ?? [];
    const tone = status < '300' ? 'good' : status < '500' ? 'warn' : 'bad';
    const head = [element('b', { className: tone }, status), element('span', {}, prose(response.description)),
      type && element('code', { className: 'muted' }, type)];
    if (!media?.schema) return element('p', { className: 'answer' }, ...head);
    const details = element('details', { className: 'answer' }, element('summary', {}, ...head));
    onFirstOpen(details, () => this.schemas.view(media.schema));
    return details;
  }

  // MARK: Try it

  trial() {
    const details = element('details', { className: 'trial' }, element('summary', {}, 'Try it'));
    onFirstOpen(details, () => this.form());
    return details;
  }

  form() {
    this.inputs = this.operation.parameters.map((parameter) => ({ parameter, input: this.parameterInput(parameter) }));
    this.editor = this.body && element('textarea', { rows: 8, spellcheck: false, 'aria-label': 'Body',
      value: this.exampleBody() });
    this.curl = element('pre', { className: 'curl' });
    this.result = element('div', { className: 'result', 'aria-live': 'polite' });
    this.sendButton = element('button', { className: 'button primary' }, 'Send');
    this.stopButton = element('button', { type: 'button', className: 'button', hidden: true,
      onclick: () => this.abort?.abort() }, 'Stop');
    const form = element('form', { onsubmit: (event) => { event.preventDefault(); this.send(); },
      oninput: () => this.showCurl() },
      this.inputs.length > 0 && element('div', { className: 'inputs' }, ...this.inputs.map(({ parameter, input }) =>
        element('label', { className: 'field' }, element('span', {}, element('code', {}, parameter.name),
          ` in ${parameter.in}`), input))),
      this.editor && element('label', { className: 'field' }, element('span', {}, 'Body'), this.editor),
      element('div', { className: 'send' }, this.sendButton, this.stopButton,
        copyButton('Copy curl', () => this.curl.textContent)), this.curl, this.result);
    this.showCurl();
    return form;
  }

  parameterInput({ name, schema = {}, required, example }) {
    const [inner] = this.schemas.nonNull(this.schemas.resolve(schema));
    const choices = inner.enum ?? (inner.type === 'boolean' ? ['true', 'false'] : null);
    const value = example ?? schema.examples?.[0] ?? '';
    if (choices) {
      const option = (choice) => element('option', { value: choice, selected: choice === String(value) }, choice);
      return element('select', { 'data-parameter': name }, ...['', ...choices].map(String).map(option));
    }
    return element('input', { type: 'text', 'data-parameter': name, value, required, autocomplete: 'off',
      spellcheck: false, placeholder: inner.default === undefined ? '' : String(inner.default) });
  }

  exampleBody() {
    const { type, schema, example } = this.body;
    if (typeof example === 'string') return example;
    if (type.includes('json')) return JSON.stringify(example ?? this.schemas.body(schema), null, 2);
    const value = this.schemas.example(schema);
    return typeof value === 'string' ? value : '';
  }

  /** Address, headers and body as the inputs say. */
  get call() {
    let path = this.operation.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, input } of this.inputs) {
      if (!input.value) continue;
      if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === 'query') query.set(parameter.name, input.value);
      else if (parameter.in === 'header') headers[parameter.name] = input.value;
    }
    const body = this.editor?.value.trim() ? this.editor.value : undefined;
    if (body) headers['Content-Type'] = this.body.type;
    return { url: `${root}${path}${query.size ? `?${query}` : ''}`, headers, body };
  }

  /** The command; the key itself stays out of it. */
  showCurl() {
    const { url, headers, body } = this.call;
    const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const method = this.operation.method.toUpperCase();
    const parts = [
      'curl', this.isStream && '-N', method !== 'GET' && `-X ${method}`,
      !this.operation.isOpen && '-H "X-API-Key: $KEY"',
      ...Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
      body && `--data-binary ${quote(body)}`, quote(location.origin + url),
    ];
    setText(this.curl, parts.filter(Boolean).join(' '));
  }

  get isStream() {
    return Object.values(this.operation.responses ?? {})
      .some((response) => 'text/event-stream' in (response.content ?? {}));
  }

  async send() {
    this.abort = new AbortController();
    this.sendButton.disabled = true;
    this.stopButton.hidden = false;
    const { url, headers, body } = this.call;
    const key = this.operation.isOpen ? {} : keyHeaders();
    const method = this.operation.method.toUpperCase();
    const options = { method, headers: { ...key, ...headers }, body, signal: this.abort.signal, cache: 'no-store' };
    const started = performance.now();
    this.result.replaceChildren();
    try {
      await this.show(await fetch(url, options), started);
    } catch (error) {
      const isStopped = error.name === 'AbortError';
      this.result.append(element('p', { className: isStopped ? 'ended muted' : 'ended bad' },
        isStopped ? 'Stopped' : `No answer: ${error.message}`));
    } finally {
      this.sendButton.disabled = false;
      this.stopButton.hidden = true;
    }
  }

  async show(response, started) {
    const facts = element('span', { className: 'muted' }, `${Math.round(performance.now() - started)} ms`);
    const tone = response.ok ? 'good' : response.status < 500 ? 'warn' : 'bad';
    const output = element('pre', { className: 'output', tabIndex: 0, 'aria-label': 'Answer' });
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    this.result.replaceChildren(element('p', { className: 'status' },
      element('b', { className: tone }, `${response.status} ${response.statusText}`), facts),
      element('details', {}, element('summary', {}, 'Headers'), element('pre', { className: 'headers' }, headers)),
      output);
    if (response.status === 401) {
      this.result.append(element('p', { className: 'muted' }, 'Enter the API key at the top of the page.'));
    }
    if ((response.headers.get('Content-Type') ?? '').startsWith('text/event-stream')) {
      await this.follow(response, output, facts);
      return;
    }
    const text = await response.text();
    setText(facts, `${Math.round(performance.now() - started)} ms, ${bytes(new Blob([text]).size)}`);
    output.textContent = text ? pretty(text) : '(no body)';
  }

  async follow(response, output, facts) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let total = 0;
    setText(facts, 'streaming');
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      total += value.length;
      setText(facts, `streaming, ${bytes(total)}`);
      const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 24;
      output.textContent = (output.textContent + value).slice(-streamLimit);
      if (isAtEnd) output.scrollTop = output.scrollHeight;
    }
    setText(facts, `ended after ${bytes(total)}`);
  }
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

class Docs {
  constructor(spec, base) {
    this.schemas = new Schemas(spec);
    setText(page('version'), `${spec.info.version}`);
    page('description').replaceChildren(...prose(spec.info.description));
    this.entries = [];
    for (const [group, operations] of groupsOf(operationsOf(spec, base))) this.addGroup(group, operations, spec.tags);
    this.addSchemas(spec);
    page('filter').addEventListener('input', () => this.filter(page('filter').value));
    addEventListener('hashchange', () => this.reveal());
    // A browser may keep a page that was left, with its connections, for the way back.
    addEventListener('pagehide', () => this.entries.forEach(({ view }) => view.abort?.abort()));
    this.follow();
    this.reveal();
  }

  addGroup(group, operations, tags = []) {
    const links = [];
    const views = operations.map((operation) => {
      const view = new OperationView(operation, this.schemas);
      const link = element('a', { href: `#${operation.id}`, title: operation.summary ?? '' },
        element('span', { className: `method ${operation.method}` }, operation.method),
        element('code', { className: 'cut' }, operation.below));
      this.entries.push({ view, link });
      links.push(link);
      return view;
    });
    const text = tags.find((tag) => tag.name === group)?.description;
    page('contents').append(element('div', { className: 'group' }, element('h2', {}, group), ...links));
    page('operations').append(element('section', { className: 'group' }, element('h2', {}, group),
      text && element('p', { className: 'muted' }, prose(text)), ...views.map((view) => view.node)));
  }

  addSchemas(spec) {
    const names = Object.keys(spec.components?.schemas ?? {});
    if (!names.length) return;
    page('schemas').append(element('h2', {}, 'Schemas'), ...names.map((name) => {
      const details = element('details', { className: 'card schema-card', id: `schema-${name}` },
        element('summary', {}, element('code', {}, name)));
      const schema = spec.components.schemas[name];
      onFirstOpen(details, () => element('div', { className: 'body' }, this.schemas.view(schema)));
      return details;
    }));
    page('contents').append(element('div', { className: 'group' }, element('h2', {}, 'Schemas'),
      ...names.map((name) => element('a', { href: `#schema-${name}` }, element('span', { className: 'cut' }, name)))));
  }

  filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { view, link } of this.entries) {
      const isShown = words.every((word) => view.searchText.includes(word));
      view.node.hidden = !isShown;
      link.hidden = !isShown;
    }
    for (const group of document.querySelectorAll('.group')) {
      group.hidden = ![...group.children].some((child) => child.matches('a, .operation') && !child.hidden);
    }
    page('schemas').hidden = words.length > 0;
  }

  /** Marks the entry of what is being read. */
  follow() {
    const links = new Map(this.entries.map(({ view, link }) => [view.node, link]));
    const observer = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (!isIntersecting) continue;
        page('contents').querySelector('[aria-current]')?.removeAttribute('aria-current');
        links.get(target).setAttribute('aria-current', 'true');
      }
    }, { rootMargin: '-64px 0px -75% 0px' });
    for (const node of links.keys()) observer.observe(node);
  }

  /** Goes to what the address names; the page was empty when the browser looked for it. */
  reveal() {
    const target = page(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.tagName === 'DETAILS') target.open = true;
    target.scrollIntoView();
  }
}

page('theme').append(icon('theme'));
page('key').value = currentKey() ?? '';
page('key').addEventListener('input', () => {
  if (page('key').value) rememberKey(page('key').value.trim());
  else forgetKey();
});
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target.matches('input, textarea, select')) return;
  page('filter').focus();
  event.preventDefault();
});

try {
  const response = await fetch('openapi.json', { cache: 'no-store' });
  if (!response.ok) throw new Error(`the daemon answered ${response.status}`);
  new Docs(await response.json(), document.querySelector('meta[name="nodepass-api"]').content);
} catch (error) {
  page('description').className = 'bad';
  setText(page('description'), `openapi.json cannot be read: ${error.message}`);
}
