// The dashboard: signs in, follows the daemon, and shows one view at a time.
//
// api, stream              the daemon
// fleet, series, verdict, feed     what is known of it
// table, row, tunnel, plot, log, plan, create     what is shown
// dom, format, overlay, actions     what all of them use

import { currentKey, forgetKey, rememberKey, request, send, session } from '../shared/api.js';
import { Actions } from './actions.js';
import { openCreate } from './create.js';
import { element, icon, setClass, setIcon, setText, shown } from '../shared/dom.js';
import { Feed, FeedView, LatestEvents } from './feed.js';
import { Fleet, absentTunnel, invalidTunnel } from './fleet.js';
import { ago, count, duration, moment, rate } from '../shared/format.js';
import { openHelp } from './help.js';
import { dialog, tellError } from '../shared/overlay.js';
import { PlanView, diagnosticList } from './plan.js';
import { EventStream } from '../shared/stream.js';
import { Selection, TunnelTable } from './table.js';
import { TunnelView } from './tunnel.js';
import { verdict } from './verdict.js';

/** The reconciler's state is read again when it changed, and at least this often: an invalid declaration sends no event. */
const refreshInterval = 5_000;
/** It names every tunnel, so that of many is read less often. */
const millisecondsPerTunnel = 20;
const longestInterval = 30_000;
const refreshDelay = 250;
/** Browsers allow six connections to one address over all tabs: a tab nobody sees gives its streams back. */
const hiddenLimit = 30_000;
/** Events of the reconciler that a new page begins with. */
const earlierEvents = 50;

const page = (id) => document.getElementById(id);

class Dashboard {
  constructor() {
    this.fleet = new Fleet();
    this.feed = new Feed();
    this.link = { state: 'connecting' };
    this.info = null;
    this.reconcile = null;
    this.actions = new Actions(() => this.refreshSoon());
    this.table = new TunnelTable(this.fleet, this.actions, {
      onopen: (id) => this.open(id),
      onselect: (selection) => history.replaceState(null, '', address(selection)),
      onnew: () => this.create(),
    });
    this.table.node.hidden = true;
    this.table.node.prepend(new LatestEvents(this.feed).node);
    page('view').append(this.table.node);
    this.instances = new EventStream('/events?reports=changed', {
      onevent: (event) => this.instanceEvent(event),
      onstate: (name, detail) => this.connection(name, detail),
    });
    this.reconciler = new EventStream('/reconcile/events', { tail: earlierEvents,
      onevent: ({ data }) => this.reconcileEvent(data) });
    this.fleet.addEventListener('change', () => this.showVerdict());
    session.addEventListener('unauthorized', () => this.signOut('The daemon does not accept this key.'));
    addEventListener('hashchange', () => this.route());
    addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('visibilitychange', () => this.visibility());
    // A browser may keep a page that was left, with its connections, for the way back.
    addEventListener('pagehide', () => this.suspend());
    addEventListener('pageshow', (event) => { if (event.persisted && this.isSignedIn) this.resume(); });
    setInterval(() => this.tick(), 1000);
    this.wire();
  }

  wire() {
    page('skip').addEventListener('click', (event) => { event.preventDefault(); page('view').focus(); });
    page('theme').append(icon('theme'));
    page('key').append(icon('key'));
    page('help').append(icon('help'));
    page('help').addEventListener('click', openHelp);
    page('key').addEventListener('click', () => this.signOut(''));
    page('new').prepend(icon('plus'));
    page('new').addEventListener('click', () => this.create());
    page('export').addEventListener('click', () => this.export());
    page('login-form').addEventListener('submit', (event) => this.signIn(event));
    page('retry').addEventListener('click', () => { this.instances.retry(); this.reconciler.retry(); });
    page('verdict-title').addEventListener('click', () => this.showGroup(this.shownVerdict?.group));
  }

  // MARK: Signing in

  start() {
    if (currentKey() === null) this.signOut('');
    else this.enter();
  }

  async signIn(event) {
    event.preventDefault();
    const input = page('login-key');
    const problem = page('login-problem');
    const submit = event.submitter ?? page('login-form').querySelector('button');
    const key = input.value.trim();
    submit.disabled = true;
    problem.hidden = true;
    try {
      this.info = await request('GET', '/info', { key });
      rememberKey(key, page('login-remember').checked);
      input.value = '';
      this.enter();
    } catch (error) {
      const refusal = key ? 'The daemon does not accept this key.' : 'The daemon needs a key.';
      problem.textContent = error.status === 401 ? refusal : error.message;
      problem.hidden = false;
      input.select();
    } finally {
      submit.disabled = false;
    }
  }

  enter() {
    this.isSignedIn = true;
    document.body.classList.remove('signed-out');
    page('login').hidden = true;
    page('shell').hidden = false;
    this.resume();
    this.refresh();
    this.route();
  }

  signOut(reason) {
    this.isSignedIn = false;
    this.isReadOnly = false;
    document.body.classList.remove('read-only');
    forgetKey();
    this.suspend();
    this.instances.lastID = '';
    this.reconciler.lastID = '';
    this.fleet.clear();
    this.feed.clear();
    this.hasHistory = false;
    this.layerSignature = null;
    this.link = { state: 'connecting' };
    this.info = null;
    this.reconcile = null;
    this.closeView();
    document.body.classList.add('signed-out');
    page('shell').hidden = true;
    page('login').hidden = false;
    page('login-problem').textContent = reason;
    page('login-problem').hidden = !reason;
    page('login-key').focus();
  }

  // MARK: Following the daemon

  connection(name, detail) {
    // A key that may only read gets no instance events: the list is read again and again instead.
    this.isReadOnly = name === 'refused' || (this.isReadOnly && name !== 'live');
    const state = this.isReadOnly ? 'live' : name;
    const isShutdown = this.link.isShutdown && state !== 'live';
    // A further try still is no connection; a stream closed on purpose is none that was lost.
    const isRetry = state === 'connecting' && this.link.state === 'waiting';
    const shown = isRetry ? 'waiting' : state === 'closed' ? 'connecting' : state;
    this.link = { state: shown, isShutdown, message: 'The daemon does not answer', ...detail };
    if (state === 'live' && name !== 'closed') this.resynchronise();
    document.body.classList.toggle('read-only', this.isReadOnly);
    this.showVerdict();
  }

  /** A resumed stream says only what changed, and the list what has gone meanwhile. */
  async resynchronise() {
    try {
      this.listedAt = Date.now();
      this.fleet.replace(await request('GET', '/instances'), this.isReadOnly ? Date.now() : null);
      if (this.isReadOnly) this.link = { state: 'live' };
      this.refreshSoon();
    } catch (error) {
      // Without a stream, this is how one sees that the daemon is away.
      if (this.isReadOnly) this.link = { state: 'waiting', message: error.message, until: Date.now() + refreshInterval };
      else if (error.status !== 401) tellError(error, 'Reading the tunnels');
      return;
    }
    if (!this.hasHistory) await this.restoreHistory();
  }

  /** What the lines of traffic start with; they fill by themselves where there is none. */
  async restoreHistory() {
    this.hasHistory = true;
    try {
      this.fleet.restore(await request('GET', '/history', { query: { window: '5m' } }));
    } catch {
      this.hasHistory = false;
    }
  }

  instanceEvent({ data }) {
    const former = this.fleet.apply(data);
    this.feed.instance(data, former);
    if (data.type === 'shutdown') this.link.isShutdown = true;
    if (data.type === 'delete' || data.type === 'create') this.refreshSoon();
  }

  reconcileEvent(event) {
    this.feed.reconciler(event);
    this.refreshSoon();
  }

  /** At most one reading at a time, and another one after it where something happened meanwhile. */
  refreshSoon() {
    this.isDue = true;
    this.refreshTimer ??= setTimeout(async () => {
      this.isDue = false;
      if (this.isSignedIn) await this.refresh();
      this.refreshTimer = null;
      if (this.isDue) this.refreshSoon();
    }, refreshDelay);
  }

  /** Reads what no instance event says: revisions, rejection, who was deleted. */
  async refresh() {
    this.refreshedAt = Date.now();
    try {
      [this.info, this.reconcile, this.status] = await Promise.all(
        [request('GET', '/info'), request('GET', '/reconcile'), request('GET', '/status')]);
      this.fleet.annotateTroubles(this.status.problems);
      this.readAt = Date.now();
      this.showVerdict();
      this.showRejection();
      await this.readLayer();
    } catch {
      // The streams tell whether the daemon is away, and the next turn comes.
    }
  }

  /** What only `/manifest` holds: declared tunnels without an instance, and the declarations below overrides. */
  async readLayer() {
    if (!this.fleet.loaded) return;
    const { observed, overridden, invalid, diagnostics } = this.reconcile;
    const overrides = [...this.fleet.tunnels.values()].map((tunnel) => tunnel.override?.since ?? '');
    const signature = JSON.stringify([observed, overridden, invalid, diagnostics, overrides, this.fleet.tunnels.size]);
    if (signature === this.layerSignature) return;
    const layer = overridden ? await request('GET', '/manifest') : { tunnels: [], overridden: [] };
    const overriddenByID = new Map(layer.overridden.map((one) => [one.id, one]));
    const absent = layer.tunnels.filter(({ id }) => overriddenByID.has(id) && !this.fleet.tunnels.has(id))
      .map((declared) => absentTunnel(declared, { ...overriddenByID.get(declared.id), deleted: true }));
    const problems = new Map(invalid.map((name) => [name,
      diagnostics.find(({ path, severity }) => severity === 'error' && path?.split('.')[1] === name)]));
    const names = new Set([...this.fleet.tunnels.values()].map((tunnel) => tunnel.instance.name));
    const neverValid = invalid.filter((name) => !names.has(name))
      .map((name) => invalidTunnel(name, problems.get(name)));
    this.fleet.setAbsent([...absent, ...neverValid]);
    this.fleet.annotate(new Map(layer.overridden.map((one) => [one.id, one.declared])), problems);
    this.layerSignature = signature;
  }

  visibility() {
    clearTimeout(this.hiddenTimer);
    if (!this.isSignedIn) return;
    if (document.hidden) this.hiddenTimer = setTimeout(() => this.suspend(), hiddenLimit);
    else this.resume();
  }

  suspend() {
    for (const stream of this.streams) stream.close();
  }

  resume() {
    for (const stream of this.streams) stream.open();
  }

  /** All that are open now, those of the view included. */
  get streams() {
    return [this.instances, this.reconciler, ...this.view?.streams ?? []];
  }

  // MARK: Verdict

  showVerdict() {
    const totals = this.fleet.totals();
    const shown = verdict(totals, this.reconcile, this.status?.problems ?? [], this.link);
    this.shownVerdict = shown;
    setClass(page('verdict'), `verdict ${shown.tone}`);
    setIcon(page('verdict-icon'), shown.icon);
    setText(page('verdict-text'), shown.title);
    setText(page('verdict-note'), shown.note);
    page('verdict-title').disabled = !shown.group;
    page('retry').hidden = !this.link.until;
    this.showParts(shown.parts);
    this.showRates(totals);
    setText(page('total-connections'), totals.connections.toLocaleString('en'));
    document.body.classList.toggle('stale', this.link.state !== 'live' && this.fleet.loaded);
    document.title = this.info ? `${shown.title} · ${this.name}` : 'nodepass';
    this.showDaemon();
  }

  /** Rates fall to 0 by themselves: a tunnel without traffic sends no reports. */
  showRates(totals = this.fleet.totals()) {
    setText(page('total-in'), rate(totals.in));
    setText(page('total-out'), rate(totals.out));
  }

  showParts(parts) {
    const signature = JSON.stringify(parts);
    if (signature === this.partsSignature) return;
    this.partsSignature = signature;
    page('verdict-parts').replaceChildren(...parts.map(({ group, tone, text }) =>
      element('button', { type: 'button', className: `part ${tone}`, onclick: () => this.showGroup(group) }, text)));
  }

  showGroup(group) {
    if (!group) return;
    const selection = new Selection();
    if (group === 'api') selection.origin = 'api';
    else selection.group = group;
    location.hash = address(selection);
  }

  /** Its alias, or its machine's name; behind a tunnel of ssh every address is the same. */
  get name() {
    return shown(this.info?.alias || this.info?.hostname || location.host);
  }

  showDaemon() {
    const { info, reconcile } = this;
    if (info) {
      setText(page('daemon-name'), this.name);
      setText(page('daemon-version'), `${info.build ?? info.ver}`);
      page('daemon-version').title =
        `${info.impl ?? 'nodepass'} ${info.build ?? ''}, API ${info.ver}, ${info.os}/${info.arch}`;
      setText(page('daemon-uptime'), duration(info.uptime + (Date.now() - (this.readAt ?? Date.now())) / 1000));
    }
    if (!reconcile) return;
    const isApplied = reconcile.observed === reconcile.applied;
    setText(page('revision-applied'), reconcile.applied || 'none');
    page('revision-observed-line').hidden = isApplied;
    setText(page('revision-observed'), reconcile.observed);
    setText(page('last-pass'), reconcile.lastPass ? ago(reconcile.lastPass) : 'never');
  }

  /** The banner below the verdict: why a manifest was refused, or what it is warned about. */
  showRejection() {
    const { rejection, diagnostics, invalid } = this.reconcile;
    const signature = JSON.stringify([rejection, diagnostics]);
    if (signature === this.rejectionSignature) return;
    this.rejectionSignature = signature;
    const parts = [];
    const notice = (title, list) => parts.push(element('div', { className: 'notice bad', role: 'alert' }, icon('cross'),
      element('div', {}, element('h2', {}, title), diagnosticList(list))));
    if (rejection) {
      const title = `The manifest was rejected at ${moment(rejection.time)}; the last good one stays in use`;
      notice(title, rejection.diagnostics);
    }
    const errors = diagnostics.filter((one) => one.severity === 'error');
    if (errors.length) {
      const title = `${count(invalid.length, 'declaration')} invalid`;
      notice(`${title}; the last valid declaration stays in use where there is one`, errors);
    }
    const warnings = diagnostics.filter((one) => one.severity !== 'error');
    if (warnings.length) {
      const summary = element('summary', {}, `${count(warnings.length, 'warning')} in the manifest`);
      parts.push(element('details', { className: 'warnings' }, summary, diagnosticList(warnings)));
    }
    page('banner').replaceChildren(...parts);
  }

  tick() {
    if (document.hidden || !this.isSignedIn) return;
    if (this.isReadOnly && Date.now() - this.listedAt > refreshInterval) this.resynchronise();
    if (this.link.state !== 'live') {
      this.showVerdict();
      return;
    }
    this.showDaemon();
    this.showRates();
    const wanted = Math.max(refreshInterval, this.fleet.tunnels.size * millisecondsPerTunnel);
    const interval = Math.min(longestInterval, wanted);
    if (Date.now() - this.refreshedAt > interval) this.refresh();
    this.table.tick();
  }

  // MARK: Views

  route() {
    if (!this.isSignedIn) return;
    const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
    const [, name = '', id = ''] = path.split('/');
    const former = this.viewName;
    this.closeView();
    this.viewName = name === 'tunnels' && id ? 'tunnel' : name || 'tunnels';
    if (this.viewName === 'tunnel') this.show(new TunnelView(id, this.fleet, this.actions, () => this.leave()));
    else if (this.viewName === 'plan') this.show(new PlanView(this.actions));
    else if (this.viewName === 'events') this.show(new FeedView(this.feed));
    else this.showTable(former, new Selection(new URLSearchParams(query)));
    document.body.dataset.view = this.viewName;
    for (const link of document.querySelectorAll('[data-view-link]')) {
      const isCurrent = link.dataset.viewLink === (this.viewName === 'tunnel' ? 'tunnels' : this.viewName);
      if (isCurrent) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  show(view) {
    this.view = view;
    page('view').append(view.node);
    scrollTo(0, 0);
  }

  showTable(former, selection) {
    this.viewName = 'tunnels';
    this.table.node.hidden = false;
    this.table.restore(selection);
    if (former === 'tunnel') {
      scrollTo(0, this.tableScroll ?? 0);
      this.table.draw();
      this.table.focusActive();
    }
  }

  closeView() {
    this.view?.close();
    this.view?.node.remove();
    this.view = null;
    this.table.node.hidden = true;
  }

  open(id) {
    this.tableScroll = scrollY;
    this.table.active = id;
    location.hash = `#/tunnels/${id}`;
  }

  /** Back to the list as it was left. */
  leave() {
    location.hash = address(this.table.selection);
  }

  async create() {
    if (document.querySelector('dialog') || this.isOpening) return;
    this.isOpening = true;
    try {
      await openCreate((instance) => {
        this.fleet.put(instance, null);
        this.open(instance.id);
      });
    } catch (error) {
      tellError(error, 'New tunnel');
    } finally {
      this.isOpening = false;
    }
  }

  /** The live state as a manifest; asked first, because it holds keys in clear. */
  export() {
    dialog({
      title: 'Export', confirm: 'Download',
      body: [element('p', {}, 'All tunnels as a manifest: what is declared, with overrides as comments. Applying it changes nothing.'),
        element('p', { className: 'warn' }, 'The file holds tunnel keys in plain text.')],
      submit: async () => {
        const response = await send('GET', '/export');
        const href = URL.createObjectURL(await response.blob());
        element('a', { href, download: 'nodepass.yaml' }).click();
        setTimeout(() => URL.revokeObjectURL(href), 1000);
      },
    });
  }

  key(event) {
    const isTyping = event.target.closest?.('input:not([type="checkbox"]), textarea, select, dialog');
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog, .menu')) return;
    if (event.key === 'Escape' && isTyping?.matches?.('input')) isTyping.blur();
    else if (event.key === 'Escape' && this.viewName === 'tunnel') this.leave();
    else if (event.key === '?' && !isTyping) openHelp();
    else if (event.key === '/' && !isTyping) {
      const filter = document.querySelector('#view [aria-keyshortcuts="/"]');
      if (filter?.offsetParent) {
        filter.focus();
        event.preventDefault();
      }
    }
  }
}

/** Where the list stands with this selection. */
function address(selection) {
  const query = selection.parameters.toString();
  return `#/${query && `?${query}`}`;
}

new Dashboard().start();
