// What can be done to one tunnel or to several, and what is asked before.

import { request } from '../shared/api.js';
import { openEdit } from './create.js';
import { element, segments } from '../shared/dom.js';
import { count } from '../shared/format.js';
import { dialog, menu, tell, tellError } from '../shared/overlay.js';

const durations = [['15m', '15 min'], ['30m', '30 min'], ['2h', '2 h'], ['24h', '24 h'], ['', 'Until released']];
/** An override that nobody ends is forgotten: it ends by itself unless one asks for more. */
const preselected = '2h';
const past = { start: 'starting', stop: 'stopping', restart: 'restarting', reset: 'counters reset' };
const verbs = { start: 'Start', stop: 'Stop', restart: 'Restart', reset: 'Reset counters', delete: 'Delete',
  release: 'Release' };
/** Requests at once for several tunnels. */
const parallel = 4;
/** The names of so many tunnels are listed before they are changed. */
const namedLimit = 8;

/** Performs actions and calls `ondone` when the daemon has accepted one. */
export class Actions {
  constructor(ondone) {
    this.ondone = ondone;
  }

  start(tunnel) {
    this.change([tunnel], 'start');
  }

  stop(tunnel) {
    this.change([tunnel], 'stop');
  }

  remove(tunnel, ondeleted) {
    this.change([tunnel], 'delete', ondeleted);
  }

  /** For what overrides nothing and asks nothing. */
  run(tunnel, action) {
    return this.perform([tunnel], action, {}).catch((error) => tellError(error, tunnel.label));
  }

  release(tunnel) {
    return this.run(tunnel, 'release');
  }

  /** Asks how long and why where that overrides the manifest, and always before several tunnels are changed. */
  change(tunnels, action, ondone = () => {}) {
    const declared = tunnels.filter((tunnel) => overrides(tunnel, action));
    const isHarmless = action !== 'delete' && tunnels.length === 1 && !declared.length;
    if (isHarmless) {
      this.run(tunnels[0], action);
      return;
    }
    const terms = new Terms(declared.length > 0);
    const verb = verbs[action];
    const subject = tunnels.length === 1 ? tunnels[0].label : count(tunnels.length, 'tunnel');
    dialog({
      title: `${verb} ${subject}`, confirm: verb, tone: action === 'stop' || action === 'delete' ? 'danger' : '',
      focus: declared.length ? terms.first : undefined,
      body: [tunnels.length > 1 && element('p', {}, named(tunnels)), declared.length > 0 && ownership(declared),
        action === 'delete' && lost(tunnels), connectionsNote(tunnels, action), terms.node].filter(Boolean),
      submit: async (steps) => {
        await this.perform(tunnels, action, terms, steps);
        ondone();
      },
    });
  }

  /**
   * Sends the requests, a few at once, and says what came of them; throws only for a single tunnel. Where the dialog is
   * closed meanwhile, the rest stays as it is.
   */
  async perform(tunnels, action, { ttl = '', note = '' }, { progress = () => {}, isOpen = () => true } = {}) {
    let sent = 0;
    const failures = [];
    const work = async () => {
      while (sent < tunnels.length && isOpen()) {
        const tunnel = tunnels[sent];
        sent += 1;
        if (tunnels.length > 1) progress(`${verbs[action]}: ${sent} of ${tunnels.length}`);
        try {
          await one(tunnel, action, overrides(tunnel, action) ? ttl : '', note);
        } catch (error) {
          failures.push([tunnel, error]);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, tunnels.length) }, work));
    this.ondone();
    if (failures.length && tunnels.length === 1) throw failures[0][1];
    const done = sent - failures.length;
    if (sent < tunnels.length) tell(`${count(tunnels.length - sent, 'tunnel')} left as they were`, 'bad');
    if (done) tell(outcome(tunnels.length === 1 ? tunnels[0].label : count(done, 'tunnel'), action, ttl));
    if (failures.length) {
      const [[tunnel, error]] = failures;
      tellError(error, `${count(failures.length, 'tunnel')} refused, first ${tunnel.label}`);
    }
  }

  edit(tunnel) {
    openEdit(tunnel.id, () => this.ondone()).catch((error) => tellError(error, tunnel.label));
  }

  menu(tunnel, anchor) {
    const runs = tunnel.instance.status !== 'stopped';
    const entries = [
      { text: 'Open', run: () => { location.hash = `#/tunnels/${tunnel.id}`; } },
      !tunnel.isDeclared && { text: 'Edit…', run: () => this.edit(tunnel) },
      runs
        ? { text: overrides(tunnel, 'stop') ? 'Stop…' : 'Stop', run: () => this.stop(tunnel) }
        : { text: overrides(tunnel, 'start') ? 'Start…' : 'Start', run: () => this.start(tunnel) },
      tunnel.instance.status === 'error' && { text: 'Start again', run: () => this.run(tunnel, 'start') },
      { text: 'Restart', run: () => this.run(tunnel, 'restart') },
      { text: 'Reset counters', run: () => this.run(tunnel, 'reset') },
      tunnel.isOverridden && { text: 'Release override', run: () => this.release(tunnel) },
      { text: 'Delete…', tone: 'bad', run: () => this.remove(tunnel) },
    ];
    menu(anchor, `Actions for ${tunnel.label}`, entries.filter(Boolean));
  }
}

function one({ id }, action, ttl, note) {
  if (action === 'delete') return request('DELETE', `/instances/${id}`, { query: { ttl, note } });
  if (action === 'release') return request('DELETE', `/instances/${id}/override`, { query: { note } });
  return request('PATCH', `/instances/${id}`, { json: { action, ...(note && { note }) }, query: { ttl } });
}

function outcome(subject, action, ttl) {
  if (action === 'release') return `The manifest applies to ${subject} again`;
  return `${subject}: ${past[action] ?? 'deleted'}${ttl ? `, overrides the manifest for ${ttl}` : ''}`;
}

/** Whether an action contradicts the manifest; taking back an override does not. */
function overrides(tunnel, action) {
  if (!tunnel.isDeclared || tunnel.isMissing) return false;
  if (action === 'delete') return true;
  if (action === 'start') return tunnel.override?.state !== 'stopped';
  return action === 'stop' && tunnel.override?.state !== 'running';
}

/** How long an override lasts, one of a few choices or a duration as the API reads it; and why. */
class Terms {
  constructor(hasLifetime) {
    this.chosen = hasLifetime ? preselected : '';
    this.own = element('input', { type: 'text', placeholder: '45m, 1h30m', 'aria-label': 'Another duration',
      autocomplete: 'off' });
    this.reason = element('input', { type: 'text', 'data-path': 'note', autocomplete: 'off', maxLength: 200,
      placeholder: 'INC-42, disk is being replaced' });
    const choice = segments('Keep this for', durations, preselected, (value) => {
      this.chosen = value;
      this.own.value = '';
    });
    this.first = choice.querySelector('[aria-pressed="true"]');
    this.node = element('div', { className: 'terms' },
      hasLifetime && element('div', { className: 'field lifetime' }, element('span', {}, 'Keep this for'), choice,
        element('label', { className: 'other' }, 'or', this.own)),
      element('label', { className: 'field' }, element('span', {}, 'Reason (optional)'), this.reason,
        element('span', { className: 'hint' }, 'Events, describe and the plan show it with who did this.')));
  }

  get ttl() {
    return this.own.value.trim() || this.chosen;
  }

  get note() {
    return this.reason.value.trim();
  }
}

function named(tunnels) {
  const names = tunnels.slice(0, namedLimit).map(({ label }) => label).join(', ');
  return tunnels.length > namedLimit ? `${names} and ${tunnels.length - namedLimit} more` : names;
}

function ownership(declared) {
  if (declared.length > 1) {
    return element('p', {}, `${count(declared.length, 'tunnel is declared', 'tunnels are declared')} in the manifest. `,
      'This overrides it until you release it, it expires, or the declaration is edited.');
  }
  const place = declared[0].instance.source;
  return element('p', {}, 'Declared', place ? ' at ' : ' in the manifest', place && element('code', {}, place),
    '. This overrides it until you release it, it expires, or that declaration is edited.');
}

/** What no manifest brings back. */
function lost(tunnels) {
  const created = tunnels.filter((tunnel) => !tunnel.isDeclared).length;
  if (!created) return null;
  return element('p', {}, tunnels.length === 1 ? 'It was created through the API: no manifest brings it back.'
    : `${count(created, 'tunnel was', 'tunnels were')} created through the API: no manifest brings them back.`);
}

function connectionsNote(tunnels, action) {
  const open = tunnels.reduce((sum, tunnel) => sum + (tunnel.instance.connections ?? 0), 0);
  if ((action !== 'stop' && action !== 'delete') || !open) return null;
  return element('p', { className: 'muted' }, `${count(open, 'open connection')} may finish within the drain time.`);
}
