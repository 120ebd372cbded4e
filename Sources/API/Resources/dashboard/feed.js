// What happened, newest first: instance events and the reconciler's, as one list.

import { element, segments, setText } from '../shared/dom.js';
import { maskedURL, moment, plainText, shortPlace, stamp, timeZone } from '../shared/format.js';
import { stepName } from './plan.js';
import { authorText, overrideText } from './row.js';

const entryLimit = 1_000;
const drawnLimit = 400;
const latestLimit = 3;
const latestDelay = 150;
const kinds = [['', 'All'], ['reconcile', 'Reconciler'], ['instance', 'Tunnels'], ['problem', 'Problems'],
  ['log', 'Log lines']];
const tones = { reject: 'bad', override: 'over', release: 'good', drift: 'warn', problem: 'bad', apply: 'wait',
  create: 'good', delete: 'bad', shutdown: 'warn' };

/** Who it was, where it was no single tunnel. */
const subjects = { apply: 'reconciler', reject: 'manifest', problem: 'daemon', shutdown: 'daemon' };

/** The bounded memory of events; it fills whether or not somebody looks. */
export class Feed extends EventTarget {
  constructor() {
    super();
    this.entries = [];
  }

  add(entry) {
    this.entries.push(entry);
    if (this.entries.length > entryLimit) this.entries.shift();
    this.dispatchEvent(new CustomEvent('entry', { detail: entry }));
  }

  /** An instance event, if it says more than that counters moved. */
  instance(event, former) {
    const { type, time, instance, logs } = event;
    if (type === 'initial') return;
    const name = instance ? instance.alias || instance.name || instance.id : '';
    const base = { time, type, name, id: instance?.id };
    if (type === 'log') this.add({ ...base, kind: 'log', text: plainText(logs) });
    else if (type === 'update') this.update(base, instance, former);
    else this.add({ ...base, kind: 'instance', text: this.lifeText(type, instance) });
  }

  lifeText(type, instance) {
    if (type === 'shutdown') return 'The daemon is stopping, or the API key was replaced';
    return type === 'create' ? maskedURL(instance.url) : '';
  }

  update(base, instance, former) {
    const text = former ? differences(former, instance) : instance.phase;
    if (!text) return;
    const isProblem = instance.status === 'error';
    this.add({ ...base, kind: 'instance', tone: isProblem ? 'bad' : undefined, isProblem, text });
  }

  /** An event of the reconciler. A plan is shown together with its outcome, which follows at once. */
  reconciler(event) {
    const { type, time, tunnel, id, alias, steps } = event;
    if (type === 'plan') {
      this.planned = steps;
      return;
    }
    const isProblem = type === 'reject' || ((type === 'drift' || type === 'problem') && !event.resolved) || Boolean(event.failing?.length);
    const tone = (type === 'drift' || type === 'problem') && event.resolved ? 'good' : undefined;
    const words = reconcilerTexts[type]?.(event, this.planned ?? []) ?? '';
    const text = type === 'apply' && this.isRejected ? `the manifest can be read again, ${words}` : words;
    if (type === 'apply') this.planned = null;
    if (type === 'apply' || type === 'reject') this.isRejected = type === 'reject';
    this.add({ kind: 'reconcile', time, type, name: (alias || tunnel) ?? '', id, isProblem, tone, text });
  }

  clear() {
    this.entries = [];
    this.planned = null;
    this.isRejected = false;
    this.dispatchEvent(new Event('clear'));
  }
}

/** Up to this many steps are listed by name; more are only counted. */
const namedSteps = 3;
const causes = { request: 'released', expiry: 'expired', edit: 'ended, its declaration was edited' };

const requested = { create: 'created', start: 'started', stop: 'stopped', restart: 'restarted', reset: 'counters reset',
  delete: 'deleted', edit: 'labels changed', replace: 'URL replaced', 'forget-peer': 'peer forgotten' };

const done = { create: 'created', adopt: 'adopted', start: 'started', stop: 'stopped', meta: 'relabeled',
  live: 'changed live', session: 'given a new session', rebind: 'rebound', restart: 'restarted', delete: 'deleted' };

/** `web created, db changed live (limits.rate)`, or how many of each. */
function doneText(summary, steps) {
  const counted = Object.entries(done).filter(([action]) => summary[action]);
  if (!counted.length) return `nothing to do${summary.overridden ? `, ${summary.overridden} overridden` : ''}`;
  if (!steps.length || steps.length > namedSteps) {
    return counted.map(([action, word]) => `${summary[action]} ${word}`).join(', ');
  }
  return steps.map((step) => {
    const paths = step.changes.length ? ` (${step.changes.map(({ path }) => path).join(', ')})` : '';
    return `${stepName(step)} ${done[step.action]}${paths}`;
  }).join(', ');
}

/** What the reconciler's events hold besides their type. */
const reconcilerTexts = {
  apply: ({ summary, failing }, steps) =>
    doneText(summary, steps) + (failing.length ? `; not running yet: ${failing.join(', ')}` : ''),
  reject: ({ count: amount, diagnostics }) => {
    const first = diagnostics.map(({ location, message }) =>
      (location ? `${shortPlace(location)}: ${message}` : message));
    const further = amount - diagnostics.length;
    return [...first, further > 0 && `${further} more`].filter(Boolean).join('; ');
  },
  override: ({ override }) =>
    `${overrideText(override)} by ${authorText(override)}${override.until ? `, until ${moment(override.until)}` : ''}`,
  release: ({ cause, by, note }) => `${causes[cause] ?? cause}${cause === 'request' ? ` by ${authorText({ by, note })}` : ''}`,
  request: ({ change, by, note }) => `${requested[change] ?? change} by ${authorText({ by, note })}`,
  problem: ({ resolved, message }) => (resolved ? `over: ${message}` : message),
  drift: ({ resolved, phase, reason, message }) =>
    (resolved ? `recovered, ${phase}` : [phase, reason, message].filter(Boolean).join(', ')),
};

/** What changed of an instance, in words; empty where only counters did. */
export function differences(former, instance) {
  const parts = [];
  if (former.phase !== instance.phase) parts.push(`${former.phase} → ${instance.phase}`);
  if (former.reason !== instance.reason || former.phase !== instance.phase) {
    if (instance.reason) parts.push(instance.reason);
    if (instance.reason && instance.message) parts.push(instance.message);
  }
  if (former.url !== instance.url) parts.push(`now ${maskedURL(instance.url)}`);
  if (former.alias !== instance.alias) parts.push(`alias ${instance.alias}`);
  if (former.restart !== instance.restart) parts.push(`autostart ${instance.restart ? 'on' : 'off'}`);
  if (JSON.stringify(former.meta) !== JSON.stringify(instance.meta)) parts.push('labels changed');
  if (JSON.stringify(former.override) !== JSON.stringify(instance.override)) {
    parts.push(instance.override ? `overridden: ${overrideText(instance.override)}` : 'override released');
  }
  return parts.join(', ');
}

/** A tunnel's own events in words, as its page lists them. */
export function lastEventText({ type, phase, reason, cause, change, by, note }) {
  const author = by ? ` by ${authorText({ by, note })}` : '';
  if (type === 'override' || type === 'request') return `${requested[change] ?? type}${author}`;
  if (type === 'release') return `override ${causes[cause] ?? cause}${cause === 'request' ? author : ''}`;
  return [phase, reason].filter(Boolean).join(', ');
}

export class FeedView {
  constructor(feed) {
    this.feed = feed;
    this.kind = '';
    this.held = 0;
    this.isPaused = false;
    this.filter = element('input', { type: 'search', placeholder: 'Filter events', 'aria-label': 'Filter events',
      'aria-keyshortcuts': '/', oninput: () => this.redraw() });
    this.pauseButton = element('button', { type: 'button', className: 'button', 'aria-pressed': 'false',
      onclick: () => this.pause() }, 'Pause');
    this.list = element('ol', { className: 'feed', role: 'log', 'aria-label': 'Events', 'aria-live': 'off' });
    this.empty = element('div', { className: 'empty' });
    this.node = element('section', { className: 'events', 'aria-label': 'Events' },
      element('div', { className: 'view-head' }, element('div', {}, element('h1', {}, 'Events'),
        element('p', { className: 'muted' },
          `Newest first, times of ${timeZone}. For the time before you opened this page, only the reconciler’s events are listed.`)),
        element('div', { className: 'buttons' }, this.pauseButton)),
      element('div', { className: 'toolbar' }, element('div', { className: 'search' }, this.filter,
        element('kbd', { 'aria-hidden': 'true' }, '/')),
        segments('Kind of event', kinds, '', (kind) => { this.kind = kind; this.redraw(); })),
      element('div', { className: 'card' }, this.empty, this.list));
    this.onentry = (event) => this.take(event.detail);
    feed.addEventListener('entry', this.onentry);
    this.redraw();
  }

  close() {
    this.feed.removeEventListener('entry', this.onentry);
  }

  /** Log lines are many, so they are shown only where asked for. */
  shows(entry) {
    const isKind = this.kind === '' ? entry.kind !== 'log' : this.kind === 'problem' ? entry.isProblem
      : entry.kind === this.kind;
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = `${entry.type} ${entry.name} ${entry.id ?? ''} ${entry.text}`.toLowerCase();
    return isKind && words.every((word) => text.includes(word));
  }

  take(entry) {
    if (!this.shows(entry)) return;
    if (this.isPaused) {
      this.held += 1;
      setText(this.pauseButton, `Resume (${this.held})`);
      return;
    }
    this.list.prepend(entryNode(entry));
    while (this.list.children.length > drawnLimit) this.list.lastChild.remove();
    this.empty.hidden = true;
  }

  pause() {
    this.isPaused = !this.isPaused;
    this.pauseButton.setAttribute('aria-pressed', String(this.isPaused));
    setText(this.pauseButton, this.isPaused ? 'Resume' : 'Pause');
    if (!this.isPaused) this.redraw();
  }

  redraw() {
    this.held = 0;
    const shown = this.feed.entries.filter((entry) => this.shows(entry)).slice(-drawnLimit).reverse();
    this.list.replaceChildren(...shown.map(entryNode));
    this.empty.hidden = shown.length > 0;
    const texts = this.feed.entries.length && (this.kind || this.filter.value)
      ? ['No event matches', 'Try other words or another kind.']
      : ['No events yet', 'Changes of tunnels, of the manifest and of overrides appear here as they happen.'];
    if (!shown.length) this.empty.replaceChildren(element('h2', {}, texts[0]), element('p', {}, texts[1]));
  }
}

/** The newest few, above the list of tunnels, however long that is. */
export class LatestEvents {
  constructor(feed) {
    this.feed = feed;
    this.list = element('ol', { className: 'feed' });
    this.node = element('section', { className: 'card latest', 'aria-label': 'Latest events', hidden: true },
      element('header', {}, element('h2', {}, 'Latest events'), element('a', { href: '#/events' }, 'All events')),
      this.list);
    for (const name of ['entry', 'clear']) feed.addEventListener(name, () => this.schedule());
  }

  /** Events come in bursts. */
  schedule() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.draw();
    }, latestDelay);
  }

  draw() {
    const entries = this.feed.entries.filter(({ kind }) => kind !== 'log').slice(-latestLimit).reverse();
    this.node.hidden = !entries.length;
    this.list.replaceChildren(...entries.map(entryNode));
  }
}

function entryNode(entry) {
  const tone = entry.tone ?? tones[entry.type] ?? 'muted';
  return element('li', {}, element('time', { dateTime: entry.time, title: entry.time, className: 'muted' },
    stamp(entry.time)),
    element('span', { className: `type ${tone}` }, entry.type),
    entry.id ? element('a', { className: 'who cut', href: `#/tunnels/${entry.id}` }, entry.name)
      : element('span', { className: 'who cut' }, entry.name || (subjects[entry.type] ?? '')),
    element('span', { className: 'text' }, entry.text));
}
