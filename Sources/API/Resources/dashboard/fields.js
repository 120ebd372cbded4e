// The fields of the form: a few in its own words, all further keys from the daemon's own schema.

import { request } from '../shared/api.js';
import { parsedURL } from '../shared/format.js';

/** Where the form asks what a tunnel is, and which keys it has no field for: a created tunnel runs. */
const placed = ['role', 'mode', 'url', 'state'];

export const isSingle = (form) => form.role === 'client' && form.mode === 'single';

function tunnelHint({ role, mode }) {
  if (role === 'server') return 'Where the client connects';
  return mode === 'single' ? 'Where users connect' : 'The server to connect to';
}

const tlsChoices = {
  server: [['off', 'off'], ['self-signed', 'self-signed'], ['files', 'certificate files']],
  client: [['off', 'whatever the server has'], ['self-signed', 'at least self-signed'],
    ['verified', 'signed by an authority']],
};

/** `[path, label, options]`; `roles` and `when` say where a field applies. */
export const guided = [
  ['tunnel', 'Tunnel address', { placeholder: '127.0.0.1:8080', hint: tunnelHint }],
  ['target', 'Target', { placeholder: '10.0.0.7:80, 10.0.0.8:80', isList: true,
    hint: (form) => (form.role === 'server' && form.mode === 'reverse' ? 'Where users connect'
      : 'Several addresses are used in turn, with failover') }],
  ['key', 'Key', { type: 'password', hint: () => 'The secret both ends share', canGenerate: true,
    when: (form) => !isSingle(form) }],
  ['tls', 'TLS', { choices: (form) => tlsChoices[form.role], when: (form) => !isSingle(form) }],
  ['tls.certificate', 'Certificate', { placeholder: '/etc/ssl/edge.pem', roles: ['server'],
    when: (form) => form.tls === 'files' }],
  ['tls.key', 'Certificate key', { placeholder: '/etc/ssl/edge.key', roles: ['server'],
    when: (form) => form.tls === 'files' }],
  ['transport', 'Transport',
    { choices: transportChoices, isList: true, roles: ['server'] }],
  ['alias', 'Alias', { placeholder: 'Web ingress', isLabel: true }],
  ['tags', 'Tags', { placeholder: 'env=prod, team=net', isLabel: true }],
];

/** One kind, `auto`, or the list that the instance has. */
function transportChoices({ transport }) {
  const kinds = ['tcp', 'quic', 'websocket', 'http2'].map((kind) => [kind, kind]);
  const choices = [...kinds, ['auto', 'auto: quic, else websocket']];
  return !transport || choices.some(([value]) => value === transport) ? choices : [...choices, [transport, transport]];
}

/** The first choice of these is the default, which needs no saying. */
export const defaults = { tls: 'off', transport: 'tcp', mode: 'auto' };

let reading = null;

/** Every key of the manifest that has no field above; read once. */
export async function further() {
  reading ??= request('GET', '/openapi.json').catch((error) => {
    reading = null;
    throw error;
  });
  const { components } = await reading;
  const taken = [...placed, ...guided.map(([path]) => path)];
  return leaves(components.schemas.TunnelSpec.properties, '').filter(([path]) => !taken.includes(path));
}

/** The alternatives of a schema that mean a value, as one list. */
function alternatives(one) {
  const inner = one.anyOf?.flatMap(alternatives) ?? [one];
  return inner.filter(({ type }) => type !== 'null');
}

function leaves(properties, prefix) {
  return Object.entries(properties).flatMap(([name, one]) => {
    const path = prefix + name;
    const forms = alternatives(one);
    const group = forms.find((form) => form.properties);
    return group && path !== 'tls' ? leaves(group.properties, `${path}.`) : [field(path, one, forms)];
  });
}

/** A field as its schema describes it. */
function field(path, { description = '', default: standard }, forms) {
  const [, text, only] = /^(.*?)(?: \((server|client) only\))?$/s.exec(description);
  const list = forms.find(({ type }) => type === 'array');
  const words = forms.find((form) => form.enum)?.enum;
  const items = list && alternatives(list.items).find((form) => form.enum)?.enum;
  const standardText = Array.isArray(standard) ? standard.join(', ') : String(standard ?? '');
  return [path, path, {
    hint: () => text.replaceAll('`', ''), roles: only && [only], isLabel: path.startsWith('peer.'), isList: Boolean(list),
    isNumber: forms.some(({ type }) => type === 'integer'), placeholder: standardText || (items ?? []).join(', '),
    choices: words && (() => [['', standardText ? `${standardText} (default)` : 'not set'],
      ...words.filter((word) => word !== standard).map((word) => [word, word])]),
  }];
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

/** The form's values of an instance that is there. */
export function valuesOf(instance) {
  const { key, parameters } = parsedURL(instance.url);
  const values = Object.fromEntries(instance.fields.map(({ path, value }) => [path, value.replace(/^\[(.*)\]$/s, '$1')]));
  const files = /^\{certificate: (.*), key: (.*)\}$/s.exec(values.tls ?? '');
  if (files) Object.assign(values, { tls: 'files', 'tls.certificate': files[1], 'tls.key': files[2] });
  const { alias, meta: { peer, tags } } = instance;
  // What is secret is in the URL alone.
  if (parameters.get('via')) values.via = parameters.get('via');
  return { mode: 'auto', tls: 'off', transport: 'tcp', ...values, key: decodeURIComponent(key), alias,
    tags: Object.entries(tags).map(([name, value]) => `${name}=${value}`).join(', '),
    'peer.sid': peer.sid, 'peer.type': peer.type, 'peer.alias': peer.alias };
}

/** A key that nobody can guess: 160 bits, in characters that nothing escapes. */
export function generatedKey() {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const random = crypto.getRandomValues(new Uint8Array(26));
  return `k${[...random].map((byte) => alphabet[byte % 64]).join('')}`;
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
