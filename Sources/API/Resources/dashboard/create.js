// The form that makes or changes a tunnel: guided fields or a URL, checked by the daemon while it is filled in.

import { request } from '../shared/api.js';
import { copyButton, element, segments, setText } from '../shared/dom.js';
import { count, maskedURL, parsedURL } from '../shared/format.js';
import { dialog, tell } from '../shared/overlay.js';
import { further, generatedKey, guided, isSingle, parsedTags, specOf, valuesOf, yamlOf } from './fields.js';

const checkDelay = 350;
const modes = {
  client: [['single', 'single: from here to the target'], ['dual', 'dual: with a server at the other end'],
    ['auto', 'auto: single if the tunnel is local']],
  server: [['reverse', 'reverse: in here, out at the client'], ['forward', 'forward: in at the client, out here'],
    ['auto', 'auto: the target decides']],
};
const invitation = 'The daemon checks this as you type';

class TunnelForm {
  /** `instance` is the one to change; without it a tunnel is made. `more` are the fields behind "All further keys". */
  constructor(instance, more) {
    this.instance = instance;
    this.definitions = [...guided, ...more];
    this.isURL = false;
    this.values = instance ? valuesOf(instance) : { role: 'client', mode: 'single', tls: 'off', transport: 'tcp' };
    this.fields = new Map();
    this.url = this.field('url', 'URL', { placeholder: 'client://127.0.0.1:8080/10.0.0.7:80?mode=1',
      hint: () => 'In NodePass’s form: server://key@host:port/host:port?parameters' });
    this.role = segments('Role', [['client', 'Client'], ['server', 'Server']], this.values.role,
      (role) => this.setRole(role));
    this.mode = element('select', { 'aria-label': 'Mode', onchange: () => this.set('mode', this.mode.value) });
    this.more = element('details', { className: 'further' },
      element('summary', {}, `All further keys (${more.length})`),
      element('div', { className: 'form-grid' }, ...more.map((one) => this.field(...one))));
    this.guided = element('div', { className: 'form-grid' },
      element('div', { className: 'field' }, element('span', {}, 'Role'), this.role),
      element('label', { className: 'field' }, element('span', {}, 'Mode'), this.mode),
      ...guided.map((one) => this.field(...one)), this.more);
    const labels = [this.field('url-alias', 'Alias', { placeholder: 'Web ingress' }),
      this.field('url-tags', 'Tags', { placeholder: 'env=prod, team=net' })];
    this.byURL = element('div', { className: 'form-grid', hidden: true }, this.url, ...labels);
    this.verdict = element('p', { className: 'check muted', role: 'status' }, invitation);
    this.preview = element('code', { className: 'preview' });
    this.copy = element('span', {}, copyButton('Copy as YAML', () => yamlOf(this.spec, this.labels)));
    this.node = element('div', { className: 'create' },
      segments('How to describe it', [['fields', 'Fields'], ['url', 'URL']], 'fields',
        (value) => this.setKind(value === 'url')),
      this.guided, this.byURL, element('div', { className: 'preview-line' }, this.verdict, this.preview, this.copy));
    if (instance) this.fill();
    else this.setRole('client');
  }

  field(path, label, options) {
    const attributes = { 'data-path': path, autocomplete: options.type === 'password' ? 'new-password' : 'off',
      spellcheck: false };
    const input = options.choices
      ? element('select', { 'data-path': path, onchange: () => this.set(path, input.value) })
      : element('input', { ...attributes, type: options.type ?? 'text', placeholder: options.placeholder ?? '',
        oninput: () => this.set(path, input.value) });
    const hint = element('span', { className: 'hint' });
    const error = element('span', { className: 'error', id: `error-${path}`, hidden: true });
    const node = element('label', { className: `field ${path.replace('.', '-')}` }, element('span', {}, label),
      options.canGenerate ? element('span', { className: 'with-button' }, input, this.generateButton(path)) : input,
      hint, error);
    this.fields.set(path, { node, input, hint, error, options });
    return node;
  }

  /** The new key is shown: it has to be given to the other end. */
  generateButton(path) {
    return element('button', { type: 'button', className: 'button small', onclick: () => {
      const { input } = this.fields.get(path);
      Object.assign(input, { type: 'text', value: generatedKey() });
      this.set(path, input.value);
    } }, 'Generate');
  }

  /** Shows the values of the instance that is to be changed. */
  fill() {
    const { alias, tags } = this.values;
    Object.assign(this.values, { url: this.instance.url, 'url-alias': alias, 'url-tags': tags });
    this.showModes();
    this.arrange();
    for (const [path, { input }] of this.fields) input.value = this.values[path] ?? '';
    const isFurther = [...this.fields].some(([path, { node }]) => this.more.contains(node) && this.values[path]);
    this.more.open = isFurther;
    this.original = JSON.stringify([{ spec: this.spec }, { url: this.values.url }]);
    this.check();
  }

  setKind(isURL) {
    this.isURL = isURL;
    this.guided.hidden = isURL;
    this.byURL.hidden = !isURL;
    this.copy.hidden = isURL;
    this.check();
  }

  setRole(role) {
    Object.assign(this.values, { role, mode: modes[role][0][0], tls: 'off' });
    this.showModes();
    this.arrange();
    this.check();
  }

  showModes() {
    this.mode.replaceChildren(...modes[this.values.role].map(([value, text]) => element('option', { value }, text)));
    this.mode.value = this.values.mode;
  }

  set(path, value) {
    this.values[path] = value.trim();
    this.arrange();
    this.check();
  }

  /** Shows the fields that count for what is chosen. */
  arrange() {
    for (const [path, { node, input, hint, options }] of this.fields) {
      node.hidden = !this.applies(options);
      const text = options.hint?.(this.values) ?? '';
      setText(hint, text);
      hint.hidden = !text;
      if (options.choices) this.showChoices(path, input, options.choices(this.values));
    }
  }

  showChoices(path, select, choices) {
    const signature = JSON.stringify(choices);
    if (select.dataset.choices === signature) return;
    select.dataset.choices = signature;
    select.replaceChildren(...choices.map(([value, text]) => element('option', { value }, text)));
    select.value = this.values[path] ?? choices[0][0];
  }

  applies({ roles, when }) {
    return (!roles || roles.includes(this.values.role)) && (!when || when(this.values));
  }

  get spec() {
    return specOf(this.values, this.definitions.filter(([, , options]) => this.applies(options)));
  }

  get labels() {
    const prefix = this.isURL ? 'url-' : '';
    return { alias: this.values[`${prefix}alias`] ?? '', tags: parsedTags(this.values[`${prefix}tags`] ?? '') };
  }

  /** What the daemon is to run. */
  get source() {
    return this.isURL ? { url: this.values.url ?? '' } : { spec: this.spec };
  }

  /** Of an instance that is there: nothing but labels is to change, so that it is left alone. */
  get isSame() {
    if (!this.instance) return false;
    return JSON.stringify(this.source) === JSON.stringify(JSON.parse(this.original)[this.isURL ? 1 : 0]);
  }

  get meta() {
    const peer = Object.fromEntries(['sid', 'type', 'alias'].map((name) => [name, this.values[`peer.${name}`] ?? '']));
    return { tags: this.labels.tags, ...(!this.isURL && { peer }) };
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
    this.showAtFields([]);
    setText(this.preview, '');
    this.conclude('muted', invitation);
    if (this.isComplete) this.timer = setTimeout(() => this.ask().catch(() => {}), checkDelay);
  }

  conclude(tone, text) {
    setText(this.verdict, text);
    this.verdict.className = `check ${tone}`;
  }

  /** Asks the daemon without making anything; throws what it refused, after showing it at the fields. */
  async ask() {
    clearTimeout(this.timer);
    this.abort?.abort();
    if (this.isSame) {
      this.conclude('good', 'The tunnel stays as it is, but for its labels');
      return;
    }
    this.abort = new AbortController();
    const options = { query: { dryRun: 'true' }, signal: this.abort.signal };
    try {
      const answer = this.instance
        ? await request('PUT', `/instances/${this.instance.id}`, { ...options, json: this.source })
        : await request('POST', '/instances', { ...options, json: this.creation });
      this.accepted(answer);
    } catch (error) {
      if (error.name !== 'AbortError') this.refused(error);
      throw error;
    }
  }

  get creation() {
    const { alias } = this.labels;
    return { ...this.source, ...(alias && { alias }), meta: this.meta };
  }

  /** Accepted is not yet running: what it would run into is said here, not after. */
  accepted({ url, config, diagnostics: found = [] }) {
    const diagnostics = [...found, ...this.dropped(config)];
    const rest = this.showAtFields(diagnostics);
    setText(this.preview, maskedURL(url));
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    const text = errors.length ? 'The daemon would accept this, but it could not run now'
      : diagnostics.length ? `The daemon would accept this, with ${count(diagnostics.length, 'warning')}`
        : 'The daemon would accept this';
    this.conclude(errors.length ? 'bad' : diagnostics.length ? 'warn' : 'good', [text, ...rest.map(worded)].join('. '));
  }

  /** Parameters of the present URL that the new form does not have, because this version does not know them. */
  dropped(config) {
    if (!this.instance || this.isURL) return [];
    const known = parsedURL(config).parameters;
    const names = [...parsedURL(this.instance.url).parameters.keys()].filter((name) => !known.has(name));
    return names.length ? [{ severity: 'warning', path: '', message: `The URL loses what is not known here: ${
      names.join(', ')}. Edit it as a URL to keep it` }] : [];
  }

  refused(error) {
    const rest = this.showAtFields(error.details ?? []);
    this.conclude('bad', [error.message, ...rest.map(worded)].join('. '));
  }

  /** Puts each diagnostic beside its field and returns those without one. */
  showAtFields(diagnostics) {
    for (const { input, error } of this.fields.values()) {
      error.hidden = true;
      error.className = 'error';
      input.removeAttribute('aria-invalid');
      input.removeAttribute('aria-describedby');
    }
    return diagnostics.filter((one) => !this.showAtField(one));
  }

  /** False where it has no field, or none that one sees. */
  showAtField(one) {
    const path = one.path.replace(/^spec\./, '');
    const field = this.isURL ? this.fields.get('url') : this.fields.get(path) ?? this.fields.get(path.split('.')[0]);
    if (!field || field.node.hidden) return false;
    if (this.more.contains(field.node)) this.more.open = true;
    const text = this.isURL && one.path !== 'url' ? `${one.path.replace(/^url\./, '')}: ${one.message}` : one.message;
    setText(field.error, field.error.hidden ? text : `${field.error.textContent}; ${text}`);
    field.error.hidden = false;
    if (one.severity === 'warning') field.error.classList.add('warn');
    else field.input.setAttribute('aria-invalid', 'true');
    field.input.setAttribute('aria-describedby', field.error.id);
    return true;
  }

  async create() {
    await this.ask();
    const instance = await request('POST', '/instances', { json: this.creation });
    tell(`${instance.alias || instance.id} is created`);
    return instance;
  }

  /** First what runs, then its labels. */
  async change() {
    await this.ask();
    const { id } = this.instance;
    if (!this.isSame) await request('PUT', `/instances/${id}`, { json: this.source });
    const instance = await request('PATCH', `/instances/${id}`, { json: { alias: this.labels.alias, meta: this.meta } });
    tell(`${instance.alias || id} is changed`);
    return instance;
  }
}

const worded = ({ path, message }) => (path ? `${path}: ${message}` : message);

/** Opens the form; `oncreated(instance)` follows success, `onclose()` any end. */
export async function openCreate(oncreated, onclose) {
  const form = new TunnelForm(null, await further());
  return dialog({ title: 'New tunnel', body: form.node, confirm: 'Create', wide: true, onclose,
    focus: form.fields.get('tunnel').input, submit: async () => oncreated(await form.create()) });
}

/** The same form with what an instance of the API is now. */
export async function openEdit(id, onchanged) {
  const [instance, more] = await Promise.all([request('GET', `/instances/${id}`), further()]);
  const form = new TunnelForm(instance, more);
  const note = instance.status === 'stopped' && element('p', { className: 'muted' },
    'The tunnel is stopped. A change of more than labels starts it.');
  return dialog({ title: `Edit ${instance.alias || id}`, body: [form.node, note].filter(Boolean), confirm: 'Save',
    wide: true, focus: form.fields.get(isSingle(form.values) ? 'target' : 'tunnel').input,
    submit: async () => onchanged(await form.change()) });
}
