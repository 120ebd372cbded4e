// What can be done to a tunnel, and what is asked before.

import { request } from '../shared/api.js';
import { element, segments } from '../shared/dom.js';
import { dialog, menu, tell, tellError } from '../shared/overlay.js';

const durations = [['', 'Until released'], ['15m', '15 min'], ['30m', '30 min'], ['2h', '2 h'], ['24h', '24 h']];
const past = { start: 'is starting', stop: 'is stopping', restart: 'is restarting', reset: 'counters are reset' };

/** Performs actions and calls `ondone` when the daemon has accepted one. */
export class Actions {
  constructor(ondone) {
    this.ondone = ondone;
  }

  async patch(tunnel, action, ttl = '') {
    await request('PATCH', `/instances/${tunnel.id}`, { json: { action }, query: { ttl } });
    tell(`${tunnel.label} ${past[action]}${ttl ? `, overrides the manifest for ${ttl}` : ''}`);
    this.ondone();
  }

  /** Asks nothing: for what overrides nothing. */
  async run(tunnel, action) {
    try {
      await this.patch(tunnel, action);
    } catch (error) {
      tellError(error, tunnel.label);
    }
  }

  start(tunnel) {
    if (overrides(tunnel, 'start')) this.override(tunnel, 'start');
    else this.run(tunnel, 'start');
  }

  stop(tunnel) {
    if (overrides(tunnel, 'stop')) this.override(tunnel, 'stop');
    else this.run(tunnel, 'stop');
  }

  override(tunnel, action) {
    const verb = action === 'stop' ? 'Stop' : 'Start';
    const lifetime = new Lifetime();
    dialog({
      title: `${verb} ${tunnel.label}`, confirm: verb, tone: action === 'stop' ? 'danger' : '',
      body: [ownership(tunnel), connectionsNote(tunnel, action), lifetime.node],
      submit: () => this.patch(tunnel, action, lifetime.value),
    });
  }

  remove(tunnel, ondeleted = () => {}) {
    const lifetime = new Lifetime();
    dialog({
      title: `Delete ${tunnel.label}`, confirm: 'Delete', tone: 'danger',
      body: [tunnel.isDeclared ? ownership(tunnel)
        : element('p', {}, 'It was created through the API: no manifest brings it back.'), connectionsNote(tunnel, 'stop'),
        tunnel.isDeclared && lifetime.node],
      submit: async () => {
        await request('DELETE', `/instances/${tunnel.id}`, { query: { ttl: tunnel.isDeclared ? lifetime.value : '' } });
        tell(`${tunnel.label} is deleted`);
        this.ondone();
        ondeleted();
      },
    });
  }

  async release(tunnel) {
    try {
      await request('DELETE', `/instances/${tunnel.id}/override`);
      tell(`The manifest applies to ${tunnel.label} again`);
      this.ondone();
    } catch (error) {
      tellError(error, tunnel.label);
    }
  }

  menu(tunnel, anchor) {
    const runs = tunnel.instance.status !== 'stopped';
    const entries = [
      { text: 'Open', run: () => { location.hash = `#/tunnels/${tunnel.id}`; } },
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

/** Whether an action contradicts the manifest; taking back an override does not. */
function overrides(tunnel, action) {
  return tunnel.isDeclared && tunnel.override?.state !== (action === 'start' ? 'stopped' : 'running');
}

/** How long an override lasts: one of a few choices, or a duration as the API reads it. */
class Lifetime {
  constructor() {
    this.chosen = '';
    this.own = element('input', { type: 'text', placeholder: '45m, 1h30m', 'aria-label': 'Another duration',
      autocomplete: 'off' });
    this.node = element('div', { className: 'field lifetime' }, element('span', {}, 'Keep this for'),
      segments('Keep this for', durations, '', (value) => { this.chosen = value; this.own.value = ''; }),
      element('label', { className: 'other' }, 'or', this.own));
  }

  get value() {
    return this.own.value.trim() || this.chosen;
  }
}

function ownership(tunnel) {
  const place = tunnel.instance.source;
  return element('p', {}, 'Declared', place ? ' at ' : ' in the manifest', place && element('code', {}, place),
    '. This overrides it until you release it, it expires, or that declaration is edited.');
}

function connectionsNote(tunnel, action) {
  const open = tunnel.instance.connections ?? 0;
  if (action !== 'stop' || !open) return null;
  return element('p', { className: 'muted' },
    `${open} open ${open === 1 ? 'connection' : 'connections'} may finish within the tunnel’s drain time.`);
}
