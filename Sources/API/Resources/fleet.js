// What the page knows of the daemon's tunnels; views listen for `change`.

import { flow, maskedURL } from './format.js';

export const keyRow = '********';

/** Word, tone, shape and rank (worst first) of each phase; `absent` is ours: declared, but not there. */
export const phases = {
  failed: { tone: 'bad', shape: 'cross', rank: 0 },
  backoff: { tone: 'warn', shape: 'triangle', rank: 1 },
  absent: { tone: 'over', shape: 'absent', rank: 2 },
  draining: { tone: 'warn', shape: 'funnel', rank: 3 },
  stopping: { tone: 'idle', shape: 'square', rank: 4 },
  starting: { tone: 'wait', shape: 'ring', rank: 5 },
  connecting: { tone: 'wait', shape: 'half', rank: 6 },
  stopped: { tone: 'idle', shape: 'square', rank: 7 },
  ready: { tone: 'good', shape: 'disc', rank: 8 },
};

/** What the toolbar's chips stand for. */
export const groups = {
  failing: (tunnel) => tunnel.phase === 'failed' || tunnel.phase === 'backoff',
  overridden: (tunnel) => tunnel.isOverridden,
  waiting: (tunnel) => tunnel.phase === 'starting' || tunnel.phase === 'connecting',
  draining: (tunnel) => tunnel.phase === 'draining' || tunnel.phase === 'stopping' || Boolean(tunnel.instance.draining),
  stopped: (tunnel) => tunnel.phase === 'stopped',
  ready: (tunnel) => tunnel.phase === 'ready',
};

/** Five minutes, a value every five seconds. */
const sampleLimit = 60;

const shortestSample = 0.5;

/** Changes are told in bursts: a thousand tunnels report every five seconds. */
const burst = 200;

/** One tunnel as last reported, and how fast it was. */
export class Tunnel {
  constructor(instance) {
    this.in = [];
    this.out = [];
    this.rateIn = 0;
    this.rateOut = 0;
    this.override = null;
    this.take(instance, null);
  }

  take(instance, time) {
    const received = instance.tcprx + instance.udprx;
    const sent = instance.tcptx + instance.udptx;
    const seconds = time && this.time ? (time - this.time) / 1000 : 0;
    // Several updates at once, as a restart sends them, are too short a time to measure.
    const isMeasurable = seconds >= shortestSample;
    if (isMeasurable) this.sample(received, sent, seconds);
    if (time && (isMeasurable || !this.time)) Object.assign(this, { time, received, sent });
    if (this.instance?.url !== instance.url || this.instance?.mode !== instance.mode) this.flow = flow(instance);
    this.instance = instance;
    this.id = instance.id;
    this.phase = instance.phase in phases ? instance.phase : 'stopped';
    this.override = instance.override ?? null;
    this.label = instance.alias || instance.name || instance.id;
    this.words = null;
  }

  get isOverridden() {
    return this.override !== null || this.phase === 'absent';
  }

  get isDeclared() {
    return this.instance.origin === 'manifest';
  }

  get rate() {
    return this.rateIn + this.rateOut;
  }

  /** Counters that went backwards were reset. */
  sample(received, sent, seconds) {
    this.rateIn = Math.max(0, received - this.received) / seconds;
    this.rateOut = Math.max(0, sent - this.sent) / seconds;
    this.in.push(this.rateIn);
    this.out.push(this.rateOut);
    if (this.in.length > sampleLimit) {
      this.in.shift();
      this.out.shift();
    }
  }

  /** What the text filter looks through. */
  get searchText() {
    this.words ??= [
      this.label, this.id, this.instance.name, this.instance.source, this.phase, this.instance.reason,
        this.instance.message,
      maskedURL(this.instance.url), this.flow.kind, ...this.tags,
    ].filter(Boolean).join('\n').toLowerCase();
    return this.words;
  }

  get tags() {
    return Object.entries(this.instance.meta?.tags ?? {}).map(([name, value]) => `${name}=${value}`);
  }
}

/** A declared tunnel that an override deleted: it has no instance, only its declaration. */
export function absentTunnel(declared, override) {
  const field = (path) => declared.fields?.find((one) => one.path === path)?.value ?? '';
  const tunnel = new Tunnel({
    id: declared.id, alias: '', type: field('role'), status: '', url: '', restart: false, meta: { peer: {}, tags: {} },
      mode: 0, ping: 0,
    pool: 0, tcps: 0, udps: 0, tcprx: 0, tcptx: 0, udprx: 0, udptx: 0, connections: 0, uptime: 0, name: declared.name,
      origin: 'manifest',
    source: declared.source, phase: 'absent', reason: '', message: declared.valid ? '' : 'The declaration is invalid',
      override: override ?? null,
  });
  tunnel.flow = { kind: field('role'), mode: '', tunnel: field('tunnel'), targets: [field('target')].filter(Boolean),
    arrow: '→' };
  return tunnel;
}

/** All tunnels, kept by events and by lists. */
export class Fleet extends EventTarget {
  constructor() {
    super();
    this.tunnels = new Map();
    this.absent = new Map();
    this.changed = new Set();
    this.loaded = false;
  }

  get all() {
    return [...this.tunnels.values(), ...this.absent.values()];
  }

  find(id) {
    return this.tunnels.get(id) ?? this.absent.get(id);
  }

  /** An instance event; returns what the tunnel was before, for the feed. */
  apply({ type, time, instance }) {
    if (!instance || instance.id === keyRow || type === 'log') return null;
    const tunnel = this.tunnels.get(instance.id);
    const former = tunnel?.instance ?? null;
    if (type === 'delete') this.tunnels.delete(instance.id);
    else this.put(instance, Date.parse(time));
    this.touch(instance.id);
    return former;
  }

  put(instance, time) {
    const tunnel = this.tunnels.get(instance.id);
    if (tunnel) tunnel.take(instance, time);
    else this.tunnels.set(instance.id, new Tunnel(instance));
    this.absent.delete(instance.id);
    this.touch(instance.id);
  }

  /** The whole list: what is not in it has gone. */
  replace(instances) {
    const rows = instances.filter((instance) => instance.id !== keyRow);
    const present = new Set(rows.map((instance) => instance.id));
    for (const id of this.tunnels.keys()) if (!present.has(id)) this.tunnels.delete(id);
    for (const instance of rows) this.put(instance, null);
    this.loaded = true;
    this.touch();
  }

  /** What the manifest declares and no instance stands for. */
  setAbsent(tunnels) {
    this.absent = new Map(tunnels.map((tunnel) => [tunnel.id, tunnel]));
    this.touch();
  }

  clear() {
    this.tunnels.clear();
    this.absent.clear();
    this.loaded = false;
    this.touch();
  }

  touch(id) {
    if (id) this.changed.add(id);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      const changed = this.changed;
      this.changed = new Set();
      this.dispatchEvent(new CustomEvent('change', { detail: changed }));
    }, burst);
  }

  /** Sums over all tunnels, and how many each group has. */
  totals() {
    const totals = { tunnels: 0, connections: 0, in: 0, out: 0, api: 0,
      groups: Object.fromEntries(Object.keys(groups).map((name) => [name, 0])) };
    for (const tunnel of this.all) {
      totals.tunnels += 1;
      totals.connections += tunnel.instance.connections ?? 0;
      totals.in += tunnel.rateIn;
      totals.out += tunnel.rateOut;
      if (!tunnel.isDeclared) totals.api += 1;
      for (const [name, holds] of Object.entries(groups)) if (holds(tunnel)) totals.groups[name] += 1;
    }
    return totals;
  }
}
