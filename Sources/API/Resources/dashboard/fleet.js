// What the page knows of the daemon's tunnels; views listen for `change`.

import { daemonNow, flow, flowWords, maskedURL, setDaemonTime } from '../shared/format.js';
import { Series, stepSeconds } from '../shared/series.js';

export const keyRow = '********';

/** Tone, shape and rank (worst first) of each phase; `absent` and `invalid` are ours: declared, without an instance. */
export const phases = {
  invalid: { tone: 'bad', shape: 'cross', rank: -1 },
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
  failing: (tunnel) => phases[tunnel.phase].rank <= phases.backoff.rank,
  trouble: (tunnel) => tunnel.troubles.length > 0,
  overridden: (tunnel) => tunnel.isOverridden,
  waiting: (tunnel) => tunnel.phase === 'starting' || tunnel.phase === 'connecting',
  draining: (tunnel) => tunnel.phase === 'draining' || tunnel.phase === 'stopping' || Boolean(tunnel.instance.draining),
  stopped: (tunnel) => tunnel.phase === 'stopped',
  ready: (tunnel) => tunnel.phase === 'ready',
};

/** How many of these tunnels are in each group. */
export function groupCounts(tunnels) {
  const counts = Object.fromEntries(Object.keys(groups).map((name) => [name, 0]));
  const tests = Object.entries(groups);
  for (const tunnel of tunnels) for (const [name, holds] of tests) if (holds(tunnel)) counts[name] += 1;
  return counts;
}

/** Problems of a tunnel that neither its phase nor its declaration shows. */
export const troubleKinds = ['target-down', 'peer-missing', 'certificate'];

const shortestSample = 0.5;
/** A rate counts for as long as the next report may take, and a little longer. */
const rateLimit = 7_500;

/** Changes come in bursts: a thousand tunnels report every five seconds. */
const burst = 200;

/** One tunnel as last reported, and how fast it was. */
export class Tunnel {
  constructor(instance) {
    this.series = new Series();
    this.rated = { rates: [0, 0], until: 0 };
    this.override = null;
    /** How the manifest has what an override changed; and what is wrong with the declaration, if anything is. */
    this.declared = null;
    this.problem = null;
    /** What else keeps its users from being served: target down, no peer, certificate. */
    this.troubles = [];
    this.take(instance, null);
  }

  take(instance, time) {
    if (time) this.sample(instance, time);
    if (this.instance?.url !== instance.url || this.instance?.mode !== instance.mode) this.flow = flow(instance);
    this.instance = instance;
    this.id = instance.id;
    this.phase = instance.phase in phases ? instance.phase : 'stopped';
    this.override = instance.override ?? null;
    this.label = instance.alias || instance.name || instance.id;
    this.words = null;
  }

  /**
   * Measures since the last report. Who moved nothing is not reported, so what comes after a silence was moved in one
   * step. Several updates at once, as a restart sends them, are too short a time; counters that went back were reset.
   */
  sample(instance, time) {
    const received = instance.tcprx + instance.udprx;
    const sent = instance.tcptx + instance.udptx;
    const seconds = this.time ? (time - this.time) / 1000 : 0;
    if (this.time && seconds < shortestSample) return;
    if (this.time) {
      const span = seconds > rateLimit / 1000 ? stepSeconds : seconds;
      const rates = [Math.max(0, received - this.received) / span, Math.max(0, sent - this.sent) / span];
      this.rated = { rates, until: time + rateLimit };
      this.series.put(time - span * 1000, time, ...rates);
    }
    Object.assign(this, { time, received, sent });
  }

  /** Bytes per second now. */
  get rates() {
    return daemonNow() < this.rated.until ? this.rated.rates : [0, 0];
  }

  /** What was recorded before the page was opened; its end is used until a newer report comes. */
  restore(times, received, sent, step) {
    this.series.restore(times, received, sent, step);
    if (!this.rated.until) this.rated = { rates: this.series.last, until: daemonNow() + rateLimit };
  }

  get isOverridden() {
    return this.override !== null;
  }

  get isDeclared() {
    return this.instance.origin === 'manifest';
  }

  get rate() {
    return this.rates[0] + this.rates[1];
  }

  /** Declared, but there is nothing that could be started or opened. */
  get isMissing() {
    return this.phase === 'absent' || this.phase === 'invalid';
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

/** A row for what has no instance. */
function standIn(facts) {
  return new Tunnel({
    alias: '', type: '', status: '', url: '', restart: false, meta: { peer: {}, tags: {} }, mode: 0, ping: 0, pool: 0,
    tcps: 0, udps: 0, tcprx: 0, tcptx: 0, udprx: 0, udptx: 0, connections: 0, uptime: 0, origin: 'manifest', reason: '',
    message: '', override: null, ...facts,
  });
}

/** A declared tunnel that an override deleted: it has no instance, only its declaration. */
export function absentTunnel({ id, name, source, fields }, override) {
  const field = (path) => fields?.find((one) => one.path === path)?.value ?? '';
  const tunnel = standIn({ id, name, source, type: field('role'), alias: field('alias'), phase: 'absent', override });
  tunnel.flow = { kind: [field('role'), field('mode')].filter(Boolean).join(' · '), mode: field('mode'),
    tunnel: field('tunnel'), targets: field('target').split(',').filter(Boolean), words: '' };
  tunnel.flow.words = flowWords(field('role'), field('mode'), field('tunnel'), tunnel.flow.targets);
  return tunnel;
}

/** A declaration that was never valid; its first problem says where it stands. */
export function invalidTunnel(name, problem) {
  const source = problem?.location?.replace(/:\d+$/, '') ?? null;
  const tunnel = standIn({ id: `invalid ${name}`, name, source, phase: 'invalid',
    message: problem?.message ?? 'The declaration is invalid' });
  tunnel.flow = { kind: '', mode: '', tunnel: '', targets: [], words: '' };
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
    if (type === 'initial') setDaemonTime(time);
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

  /** The whole list: what is not in it has gone; with a time, rates are measured since the last one. */
  replace(instances, time) {
    const rows = instances.filter((instance) => instance.id !== keyRow);
    const present = new Set(rows.map((instance) => instance.id));
    for (const id of this.tunnels.keys()) if (!present.has(id)) this.tunnels.delete(id);
    for (const instance of rows) this.put(instance, time);
    this.loaded = true;
    this.touch();
  }

  /** Declared tunnels without an instance. */
  setAbsent(tunnels) {
    if (!tunnels.length && !this.absent.size) return;
    this.absent = new Map(tunnels.map((tunnel) => [tunnel.id, tunnel]));
    this.touch();
  }

  /** The declaration below each override, by id, and the errors of declarations, by name. */
  annotate(declared, problems) {
    for (const tunnel of this.tunnels.values()) {
      const word = declared.get(tunnel.id) ?? null;
      const problem = problems.get(tunnel.instance.name) ?? null;
      if (tunnel.declared === word && tunnel.problem?.message === problem?.message) continue;
      Object.assign(tunnel, { declared: word, problem });
      this.touch(tunnel.id);
    }
  }

  /** What else than its phase keeps the users of each tunnel from being served. */
  annotateTroubles(problems) {
    const byID = new Map();
    for (const problem of problems.filter(({ kind }) => troubleKinds.includes(kind))) {
      byID.set(problem.id, [...byID.get(problem.id) ?? [], problem]);
    }
    for (const tunnel of this.tunnels.values()) {
      const troubles = byID.get(tunnel.id) ?? [];
      if (!troubles.length && !tunnel.troubles.length) continue;
      if (JSON.stringify(troubles) === JSON.stringify(tunnel.troubles)) continue;
      tunnel.troubles = troubles;
      this.touch(tunnel.id);
    }
  }

  /** The last minutes as the daemon recorded them. */
  restore({ step, times, tunnels }) {
    for (const { id, in: received, out: sent } of tunnels) this.tunnels.get(id)?.restore(times, received, sent, step);
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
    const { all } = this;
    const totals = { isLoaded: this.loaded, tunnels: 0, connections: 0, in: 0, out: 0, api: 0, groups: groupCounts(all) };
    for (const tunnel of all) {
      totals.tunnels += 1;
      totals.connections += tunnel.instance.connections ?? 0;
      const [received, sent] = tunnel.rates;
      totals.in += received;
      totals.out += sent;
      if (!tunnel.isDeclared) totals.api += 1;
    }
    return totals;
  }
}
