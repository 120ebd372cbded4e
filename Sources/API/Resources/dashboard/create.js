// The form that makes a tunnel: guided fields or a URL, checked by the daemon while it is filled in.

import { request } from '../shared/api.js';
import { copyButton, element, segments, setText } from '../shared/dom.js';
import { maskedURL } from '../shared/format.js';
import { dialog, tell } from '../shared/overlay.js';

const checkDelay = 350;
const modes = {
  client: [['single', 'single: from here to the target'], ['dual', 'dual: with a server at the other end'],
    ['auto', 'auto: single if the tunnel is local']],
  server: [['reverse', 'reverse: in here, out at the client'], ['forward', 'forward: in at the client, out here'],
    ['auto', 'auto: the target decides']],
};

/** `[path, label, options]` of the guided fields; `roles` and `when` say where one applies. */
const definitions = [
  ['tunnel', 'Tunnel address', { placeholder: '127.0.0.1:8080', hint: (form) => tunnelHint(form) }],
  ['target', 'Target', { placeholder: '10.0.0.7:80, 10.0.0.8:80', hint: () => 'Several addresses are used in turn, with failover',
    isList: true }],
  ['key', 'Key', { type: 'password', hint: () => 'The secret both ends share', when: (form) => !isSingle(form) }],
  ['tls', 'TLS', { choices: [['off', 'off'], ['self-signed', 'self-signed'], ['files', 'certificate files']],
    roles: ['server'] }],
  ['tls.certificate', 'Certificate', { placeholder: '/etc/ssl/edge.pem', roles: ['server'],
    when: (form) => form.tls === 'files' }],
  ['tls.key', 'Certificate key', { placeholder: '/etc/ssl/edge.key', roles: ['server'],
    when: (form) => form.tls === 'files' }],
  ['transport', 'Transport',
    { choices: [['tcp', 'tcp'], ['quic', 'quic'], ['websocket', 'websocket'], ['http2', 'http2']], roles: ['server'] }],
  ['alias', 'Alias', { placeholder: 'Web ingress', isLabel: true }],
  ['tags', 'Tags', { placeholder: 'env=prod, team=net', isLabel: true }],
];
const furtherDefinitions = [
  ['limits.rate', 'Rate limit', { placeholder: '100Mbps' }],
  ['limits.connections', 'Connection limit', { placeholder: '65536', isNumber: true }],
  ['pool.min', 'Links kept ready', { placeholder: '64', isNumber: true, roles: ['client'],
    when: (form) => !isSingle(form) }],
  ['pool.max', 'Links allowed', { placeholder: '1024', isNumber: true, roles: ['server'] }],
  ['sni', 'Server name (SNI)', { placeholder: 'edge.example.com', roles: ['client'], when: (form) => !isSingle(form) }],
  ['protocols', 'Protocols', { choices: [['', 'TCP and UDP'], ['tcp', 'TCP only'], ['udp', 'UDP only']],
    isList: true }],
  ['handshake', 'Handshake', { choices: [['', 'auto: sealed where both ends can'], ['sealed', 'sealed only'],
    ['compatible', 'as NodePass v1.14']], when: (form) => !isSingle(form) }],
  ['proxyProtocol', 'PROXY protocol', { choices: [['', 'off'], ['v1', 'v1'], ['v2', 'v2']] }],
  ['drain', 'Drain time', { placeholder: '30s' }],
  ['log', 'Log level',
    { choices: [['', 'info'], ['debug', 'debug'], ['warn', 'warn'], ['error', 'error'], ['none', 'none']] }],
];
/** The first choice of these is the default, which needs no saying. */
const defaults = { tls: 'off', transport: 'tcp', mode: 'auto' };

const isSingle = (form) => form.role === 'client' && form.mode === 'single';

function tunnelHint({ role, mode }) {
  if (role === 'server') return 'Where the client connects';
  return mode === 'single' ? 'Where users connect' : 'The server to connect to';
}

/** `env=prod, team=net` as an object. */
export function parsedTags(text) {
  const pairs = text.split(',').map((part) => part.trim()).filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [pair, ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  }));
}

/** The manifest's keys from the form's values: `limits.rate` becomes `{limits: {rate}}`. */
export function specOf(form, fields) {
  const spec = { role: form.role };
  if (form.mode !== defaults.mode) spec.mode = form.mode;
  for (const [path, , options] of fields) {
    const value = form[path];
    if (!value || options.isLabel || value === defaults[path] || path.startsWith('tls.')) continue;
    if (path === 'tls' && value === 'files') spec.tls = { certificate: form['tls.certificate'] ?? '',
      key: form['tls.key'] ?? '' };
    else place(spec, path.split('.'), typed(value, options));
  }
  return spec;
}

function typed(value, { isList, isNumber }) {
  if (isList) {
    const parts = value.split(/[,\s]+/).filter(Boolean);
    return parts.length === 1 ? parts[0] : parts;
  }
  return isNumber && /^\d+$/.test(value) ? Number(value) : value;
}

function place(object, [first, ...rest], value) {
  if (!rest.length) object[first] = value;
  else place(object[first] ??= {}, rest, value);
}

/** A declaration to put into a manifest; the key stays out of git. */
export function yamlOf(spec, { alias, tags }) {
  const name = (alias || 'tunnel').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 63)
    || 'tunnel';
  const scalar = (value) => (typeof value === 'number' || /^[a-z0-9][\w./-]*(:\d+)?$/i.test(value)
    && !/^(true|false|null|on|off|yes|no|[\d.]+)$/i.test(value) ? String(value) : JSON.stringify(value));
  const line = (value) => {
    if (Array.isArray(value)) return `[${value.map(line).join(', ')}]`;
    if (typeof value === 'object') return `{${Object.entries(value).map(([key, one]) => `${key}: ${line(one)}`)
      .join(', ')}}`;
    return scalar(value);
  };
  const declared = { ...spec, ...(spec.key && { key: null }), ...(alias && { alias }),
    ...(Object.keys(tags).length && { tags }) };
  const secret = `\${env:${name.toUpperCase().replaceAll('-', '_')}_KEY}`;
  const lines = Object.entries(declared).map(([key, value]) => `    ${key}: ${value === null ? secret : line(value)}`);
  return [`  ${name}:`, ...lines, ''].join('\n');
}

class CreateForm {
  constructor() {
    this.isURL = false;
    this.values = { role: 'client', mode: 'single', tls: 'off', transport: 'tcp' };
    this.fields = new Map();
    this.url = this.field('url', 'URL', { placeholder: 'client://127.0.0.1:8080/10.0.0.7:80?mode=1',
      hint: () => 'In NodePass’s form: server://key@host:port/host:port?parameters' });
    this.role = segments('Role', [['client', 'Client'], ['server', 'Server']], 'client', (role) => this.setRole(role));
    this.mode = element('select', { 'aria-label': 'Mode', onchange: () => this.set('mode', this.mode.value) });
    const guided = definitions.map((definition) => this.field(...definition));
    const further = furtherDefinitions.map((definition) => this.field(...definition));
    this.guided = element('div', { className: 'form-grid' },
      element('div', { className: 'field' }, element('span', {}, 'Role'), this.role),
      element('label', { className: 'field' }, element('span', {}, 'Mode'), this.mode), ...guided,
      element('details', { className: 'further' }, element('summary', {}, 'Limits and further options'),
        element('div', { className: 'form-grid' }, ...further)));
    this.urlLabels = [this.field('url-alias', 'Alias', { placeholder: 'Web ingress' }),
      this.field('url-tags', 'Tags', { placeholder: 'env=prod, team=net' })];
    this.byURL = element('div', { className: 'form-grid', hidden: true }, this.url, ...this.urlLabels);
    this.verdict = element('p', { className: 'check muted', role: 'status' }, 'The daemon checks this as you type');
    this.preview = element('code', { className: 'preview' });
    this.copy = element('span', {}, copyButton('Copy as YAML', () => yamlOf(this.spec, this.labels)));
    this.node = element('div', { className: 'create' },
      segments('How to describe it', [['fields', 'Fields'], ['url', 'URL']], 'fields',
        (value) => this.setKind(value === 'url')),
      this.guided, this.byURL, element('div', { className: 'preview-line' }, this.verdict, this.preview, this.copy));
    this.setRole('client');
  }

  field(path, label, options) {
    const attributes = { 'data-path': path, autocomplete: options.type === 'password' ? 'new-password' : 'off',
      spellcheck: false };
    const input = options.choices
      ? element('select', { 'data-path': path, onchange: () => this.set(path, input.value) },
        ...options.choices.map(([value, text]) => element('option', { value }, text)))
      : element('input', { ...attributes, type: options.type ?? 'text', placeholder: options.placeholder ?? '',
        oninput: () => this.set(path, input.value) });
    const hint = element('span', { className: 'hint' });
    const error = element('span', { className: 'error', id: `error-${path}`, hidden: true });
    const node = element('label', { className: `field ${path.replace('.', '-')}` }, element('span', {}, label), input,
      hint, error);
    this.fields.set(path, { node, input, hint, error, options });
    return node;
  }

  setKind(isURL) {
    this.isURL = isURL;
    this.guided.hidden = isURL;
    this.byURL.hidden = !isURL;
    this.copy.hidden = isURL;
    this.check();
  }

  setRole(role) {
    this.values.role = role;
    this.values.mode = modes[role][0][0];
    this.mode.replaceChildren(...modes[role].map(([value, text]) => element('option', { value }, text)));
    this.arrange();
    this.check();
  }

  set(path, value) {
    this.values[path] = value.trim();
    this.arrange();
    this.check();
  }

  /** Shows the fields that count for what is chosen. */
  arrange() {
    for (const { node, hint, options } of this.fields.values()) {
      node.hidden = !this.applies(options);
      const text = options.hint?.(this.values) ?? '';
      setText(hint, text);
      hint.hidden = !text;
    }
  }

  applies({ roles, when }) {
    return (!roles || roles.includes(this.values.role)) && (!when || when(this.values));
  }

  get spec() {
    return specOf(this.values, [...definitions, ...furtherDefinitions]
      .filter(([, , options]) => this.applies(options)));
  }

  get labels() {
    const prefix = this.isURL ? 'url-' : '';
    return { alias: this.values[`${prefix}alias`] ?? '', tags: parsedTags(this.values[`${prefix}tags`] ?? '') };
  }

  get body() {
    const { alias, tags } = this.labels;
    return { ...(this.isURL ? { url: this.values.url ?? '' } : { spec: this.spec }), ...(alias && { alias }),
      meta: { tags } };
  }

  get isComplete() {
    if (this.isURL) return Boolean(this.values.url);
    const needed = ['tunnel', 'target', ...(this.values.tls === 'files' ? ['tls.certificate', 'tls.key'] : [])];
    return needed.every((path) => this.values[path] || !this.applies(this.fields.get(path).options));
  }

  // MARK: Checking

  check() {
    clearTimeout(this.timer);
    this.abort?.abort();
    if (!this.verdict) return;
    this.showErrors([]);
    setText(this.preview, '');
    setText(this.verdict, 'The daemon checks this as you type');
    this.verdict.className = 'check muted';
    if (this.isComplete) this.timer = setTimeout(() => this.ask().catch(() => {}), checkDelay);
  }

  /** Asks the daemon without making anything; throws what it refused, after showing it at the fields. */
  async ask() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      const instance = await request('POST', '/instances', { json: this.body, query: { dryRun: 'true' },
        signal: this.abort.signal });
      this.showErrors([]);
      setText(this.preview, maskedURL(instance.url));
      setText(this.verdict, 'The daemon would accept this');
      this.verdict.className = 'check good';
    } catch (error) {
      if (error.name !== 'AbortError') this.refused(error);
      throw error;
    }
  }

  refused(error) {
    const rest = this.showErrors(error.details ?? []);
    setText(this.verdict, [error.message, ...rest.map((one) => `${one.path}: ${one.message}`)].join('. '));
    this.verdict.className = 'check bad';
  }

  /** Puts each diagnostic beside its field and returns those without one. */
  showErrors(details) {
    const rest = [];
    for (const { input, error } of this.fields.values()) {
      error.hidden = true;
      input.removeAttribute('aria-invalid');
      input.removeAttribute('aria-describedby');
    }
    for (const one of details) {
      const path = one.path.replace(/^spec\./, '');
      const field = this.isURL ? this.fields.get('url') : this.fields.get(path)
        ?? this.fields.get(path.split('.')[0]);
      if (!field || field.node.hidden) {
        rest.push(one);
        continue;
      }
      const text = this.isURL && one.path !== 'url' ? `${one.path.replace(/^url\./, '')}: ${one.message}` : one.message;
      field.error.textContent = field.error.hidden ? text : `${field.error.textContent}; ${text}`;
      field.error.hidden = false;
      field.input.setAttribute('aria-invalid', 'true');
      field.input.setAttribute('aria-describedby', field.error.id);
    }
    return rest;
  }

  async create() {
    await this.ask();
    const instance = await request('POST', '/instances', { json: this.body });
    tell(`${instance.alias || instance.id} is created`);
    return instance;
  }
}

/** Opens the form; `oncreated(instance)` follows success, `onclose()` any end. */
export function openCreate(oncreated, onclose) {
  const form = new CreateForm();
  const node = dialog({ title: 'New tunnel', body: form.node, confirm: 'Create', wide: true, onclose,
    submit: async () => oncreated(await form.create()) });
  form.fields.get('tunnel').input.focus();
  return node;
}
