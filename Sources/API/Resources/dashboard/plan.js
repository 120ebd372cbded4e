// What the manifest would do, before it does it.

import { request } from '../shared/api.js';
import { element, icon, segments } from '../shared/dom.js';
import { count, moment } from '../shared/format.js';
import { tell, tellError } from '../shared/overlay.js';
import { authorText, phaseBadge } from './row.js';

const sample = `version: 1
tunnels:
  web:
    role: client
    mode: single
    tunnel: 127.0.0.1:8080
    target: 10.0.0.7:80`;
const symbols = { create: '+', adopt: '+', delete: '−', rebind: '±' };
const tones = { create: 'good', adopt: 'good', delete: 'bad', rebind: 'warn', session: 'warn', restart: 'warn' };
/** Worst first. */
const outcomeTones = { failed: 'bad', pending: 'wait', waiting: 'wait', applied: 'good' };
const classes = [
  ['meta', 'Nothing but the record changes: alias, tags, peer.'],
  ['live', 'New connections use the new value; no connection closes.'],
  ['session',
    'Listeners stay open, a new session takes over, established connections finish or reach the drain limit.'],
  ['rebind', 'The new address is bound first; then the old one stops accepting and drains.'],
];
const summaryWords = {
  create: 'to create', adopt: 'to adopt', start: 'to start', stop: 'to stop', meta: 'meta', live: 'live',
  session: 'session', rebind: 'to rebind', restart: 'to restart', delete: 'to delete', overridden: 'overridden',
  unchanged: 'unchanged',
};

/** `1 to create, 1 live, 12 unchanged`. */
function summaryText(summary) {
  const parts = Object.entries(summaryWords).filter(([name]) => summary[name])
    .map(([name, word]) => `${summary[name]} ${word}`);
  return parts.join(', ');
}

/** Problems with their places, as a list. */
export function diagnosticList(diagnostics) {
  return element('ul', { className: 'diagnostics' }, ...diagnostics.map((one) =>
    element('li', {}, element('span', { className: one.severity === 'error' ? 'bad' : 'warn' }, one.severity),
      element('span', {}, one.location && element('code', { className: 'place' }, one.location),
        one.path && element('code', {}, one.path), ' ', one.message, ' ',
        element('code', { className: 'muted' }, one.code)))));
}

export class PlanView {
  constructor(actions) {
    this.actions = actions;
    this.isPasted = false;
    this.text = element('textarea', {
      rows: 14, spellcheck: false, 'aria-label': 'Manifest to plan', placeholder: sample,
      onkeydown: (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.load(); },
    });
    this.source = segments('What to plan', [['disk', 'Files on disk'], ['pasted', 'Pasted YAML']], 'disk',
      (value) => this.choose(value));
    const button = (name, run, text) => element('button', { type: 'button', className: name, onclick: run }, text);
    this.planButton = button('button', () => this.load(), 'Plan again');
    this.applyButton = button('button primary', () => this.reconcile(), 'Reconcile now');
    this.paste = element('div', { className: 'card paste', hidden: true }, this.text,
      element('p', { className: 'muted' },
        'Planning changes nothing. References mean the daemon’s environment and files; include is refused here.'));
    this.result = element('div', { className: 'plan-result', 'aria-live': 'polite' });
    this.outcome = element('div');
    this.node = element('section', { className: 'plan', 'aria-label': 'Plan' },
      element('div', { className: 'view-head' }, element('div', {}, element('h1', {}, 'Plan'),
        element('p', { className: 'muted' }, 'What the daemon would do to make the tunnels match the manifest.')),
        element('div', { className: 'buttons' }, this.source, this.planButton, this.applyButton)),
      this.paste, this.outcome, this.result, legend());
    this.load();
  }

  close() {
    this.abort?.abort();
  }

  choose(value) {
    this.close();
    this.isPasted = value === 'pasted';
    this.paste.hidden = !this.isPasted;
    this.applyButton.hidden = this.isPasted;
    this.planButton.textContent = this.isPasted ? 'Plan' : 'Plan again';
    this.result.replaceChildren();
    if (this.isPasted) this.text.focus();
    else this.load();
  }

  async load() {
    if (this.isPasted && !this.text.value.trim()) {
      this.text.focus();
      return;
    }
    this.close();
    const { signal } = this.abort = new AbortController();
    this.planButton.disabled = true;
    if (!this.result.children.length) {
      this.result.append(element('div', { className: 'card empty' }, 'Planning…'));
    }
    try {
      const yaml = this.isPasted ? this.text.value : undefined;
      this.show(await request('POST', '/plan', { yaml, signal }));
    } catch (error) {
      if (error.name !== 'AbortError') this.showError(error);
    } finally {
      if (this.abort.signal === signal) this.planButton.disabled = false;
    }
  }

  showError(error) {
    if (error.code === 'no-manifest') {
      this.result.replaceChildren(element('div', { className: 'card empty' }, element('h2', {}, 'No manifest'),
        element('p', {}, 'This daemon runs without one. Paste YAML to see what it would do.')));
      return;
    }
    this.result.replaceChildren(element('div', { className: 'notice bad' }, icon('cross'),
      element('div', {}, element('h2', {}, error.message), diagnosticList(error.details ?? []))));
  }

  show(plan) {
    const { steps, overridden, conflicts, diagnostics } = plan;
    const unchanged = !plan.changes && plan.summary.unchanged ? `${plan.summary.unchanged} unchanged · ` : '';
    const invalid = invalidCount(diagnostics);
    const isClean = !invalid && !conflicts.length;
    this.result.replaceChildren(...[
      element('div', { className: 'plan-summary' }, icon(!isClean ? 'triangle' : plan.changes ? 'half' : 'check'),
        element('b', {}, [invalid && `${count(invalid, 'declaration')} invalid`, conclusion(plan, invalid)]
          .filter(Boolean).join(', ')),
        element('span', { className: 'muted' }, unchanged, 'revision ', element('code', {}, plan.revision))),
      diagnostics.length && element('section', { className: 'card' },
        element('header', {}, element('h2', {}, 'Diagnostics')),
        element('div', { className: 'body' }, diagnosticList(diagnostics))),
      conflicts.length && element('div', { className: 'notice warn' }, icon('triangle'),
        element('div', {}, element('h2', {}, 'Conflicting addresses'), ...merged(conflicts).map((one) =>
          element('p', {}, element('code', {}, one.address),
            ` (${one.transport}) is wanted by ${one.tunnels.join(', ')}`)))),
      overridden.length > 1 && element('div', { className: 'buttons' }, element('button', { type: 'button',
        className: 'button', onclick: () => this.releaseAll(overridden) }, `Release all ${overridden.length} overrides…`)),
      (steps.length || overridden.length) && element('ol', { className: 'card steps' }, ...steps.map(stepNode),
        ...overridden.map((one) => this.overriddenNode(one))),
    ].filter(Boolean));
  }

  overriddenNode(one) {
    const until = one.until ? `until ${moment(one.until)}` : 'until released';
    return element('li', { className: 'step' },
      element('span', { className: 'symbol over', 'aria-hidden': 'true' }, '!'),
      element('div', { className: 'what' }, element('b', {}, one.name),
        element('span', { className: 'over' }, 'overridden'), element('span', { className: 'muted' },
          `${one.present}; the manifest says: ${one.declared}`)),
      element('div', { className: 'effect muted' }, `by ${authorText(one)} since ${moment(one.since)}, ${until}`, ' ',
        element('button', { type: 'button', className: 'button small', onclick: () => this.release(one) }, 'Release')));
  }

  async release(one) {
    await this.actions.release({ id: one.id, label: one.name });
    this.load();
  }

  releaseAll(overridden) {
    const tunnels = overridden.map(({ id, name }) => ({ id, label: name, instance: {}, isDeclared: true }));
    this.actions.change(tunnels, 'release', () => this.load());
  }

  async reconcile() {
    this.applyButton.disabled = true;
    this.applyButton.textContent = 'Reconciling…';
    try {
      this.showOutcome(await request('POST', '/reconcile', { query: { wait: '30s' } }));
    } catch (error) {
      if (error.details?.length) this.showError(error);
      else tellError(error, 'Reconcile');
    } finally {
      this.applyButton.disabled = false;
      this.applyButton.textContent = 'Reconcile now';
    }
  }

  showOutcome({ revision, behind, invalid, tunnels }) {
    const problems = [behind && `${count(behind, 'tunnel')} behind`, invalid.length
      && `${count(invalid.length, 'declaration')} invalid`].filter(Boolean);
    tell(['Reconciled', ...problems].join(', '), problems.length ? 'bad' : 'good');
    const order = Object.keys(outcomeTones);
    const rows = [...tunnels].sort((left, right) => order.indexOf(left.outcome) - order.indexOf(right.outcome));
    const close = element('button', { type: 'button', className: 'icon-button', 'aria-label': 'Close the outcome',
      onclick: () => this.outcome.replaceChildren() }, icon('close'));
    this.outcome.replaceChildren(element('section', { className: 'card outcome' },
      element('header', {}, element('h2', {}, 'Outcome'),
        element('span', { className: 'muted' }, 'revision ', element('code', {}, revision)), close),
      rows.length + invalid.length > 0 && element('ul', { className: 'outcomes' }, ...invalid.map(invalidNode),
        ...rows.map(outcomeNode)),
      rows.length + invalid.length === 0 && element('p', { className: 'empty' }, 'There are no tunnels')));
    this.load();
  }
}

/** Tunnels with an error; a manifest that is rejected as a whole has no plan. */
function invalidCount(diagnostics) {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  return new Set(errors.map(({ path }) => path.split('.')[1] ?? '')).size;
}

function conclusion({ changes, summary }, invalid) {
  if (changes) return invalid ? `otherwise ${summaryText(summary)}` : summaryText(summary);
  return invalid ? 'otherwise nothing to do' : 'Nothing to do';
}

/** One line for an address whose transports the same tunnels want. */
function merged(conflicts) {
  const byAddress = new Map();
  for (const { address, transport, tunnels } of conflicts) {
    const key = JSON.stringify([address, tunnels]);
    const former = byAddress.get(key);
    byAddress.set(key, { address, tunnels, transport: former ? `${former.transport}, ${transport}` : transport });
  }
  return [...byAddress.values()];
}

function invalidNode(name) {
  return element('li', {}, element('span', { className: 'bad' }, 'invalid'), element('b', {}, name),
    element('span', { className: 'muted' }, 'Its last valid declaration stays in use, if there was one'));
}

function outcomeNode({ id, name, alias, outcome, phase, reason, message }) {
  return element('li', {}, element('span', { className: outcomeTones[outcome] ?? 'idle' }, outcome),
    element('a', { href: `#/tunnels/${id}` }, name ?? (alias || id)), phaseBadge(phase),
    element('span', { className: 'muted' }, [reason, message].filter(Boolean).join(': ')));
}

/** An instance that was created through the API goes by its alias, and by its id because an alias is not unique. */
export function stepName({ action, name, alias, id }) {
  return alias && action !== 'adopt' ? `${alias} (${id})` : name;
}

function stepNode(step) {
  const tone = tones[step.action] ?? 'wait';
  const effect = effectText(step);
  return element('li', { className: 'step' },
    element('span', { className: `symbol ${tone}`, 'aria-hidden': 'true' }, symbols[step.action] ?? '~'),
    element('div', { className: 'what' }, element('b', {}, stepName(step)),
      element('span', { className: tone }, step.action),
      step.action === 'adopt' && element('span', { className: 'muted' }, 'instance ', element('code', {}, step.id),
        step.alias && ` (${step.alias})`), element('span', { className: 'mono route' }, step.route)),
    element('div', { className: 'effect muted' }, effect, effect && step.source && ' · ',
      step.source && element('code', {}, step.source)),
    step.changes.length > 0 && element('ul', { className: 'changes' }, ...step.changes.map(changeNode)));
}

function changeNode(change) {
  return element('li', {}, element('code', {}, change.path),
    element('span', { className: 'class muted' }, change.class),
    element('span', { className: 'values mono' }, element('del', {}, change.old || 'none'), ' → ',
      element('ins', {}, change.new || 'none')));
}

/** `2 connections drain up to 30s`. */
function effectText({ connections }) {
  if (!connections?.count) return '';
  const { count: open, effect, limit } = connections;
  const one = open === 1;
  const words = { keep: 'kept', drain: `${one ? 'drains' : 'drain'}${limit ? ` up to ${limit}` : ''}`,
    cut: one ? 'is cut' : 'are cut' };
  return `${count(open, 'connection')} ${words[effect] ?? effect}`;
}

function legend() {
  return element('details', { className: 'legend' }, element('summary', {}, 'What the classes mean'),
    element('dl', { className: 'facts' },
      ...classes.flatMap(([name, text]) => [element('dt', {}, element('code', {}, name)), element('dd', {}, text)])));
}
