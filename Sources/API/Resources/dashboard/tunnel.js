// One tunnel in full: what it is, what it does, how it came there.

import { request } from '../shared/api.js';
import { copyButton, element, icon, setText } from '../shared/dom.js';
import { lastEventText } from './feed.js';
import { ago, bytes, count, daemonNow, duration, left, maskedURL, moment, shortPlace, stamp } from '../shared/format.js';
import { phases } from './fleet.js';
import { LogView } from './log.js';
import { TrafficPlot } from '../shared/plot.js';
import { drainingText, overrideSentence, phaseBadge } from './row.js';

/** Details are read again when the tunnel's phase or declaration changed, and now and then. */
const refreshSeconds = 15;

/** The other end, or the one that was here last. */
function peerText({ address, program, connected, since, lost }) {
  return connected ? `${address} (${program}), since ${moment(since)}`
    : `none; ${address} was connected${lost ? ` until ${moment(lost)}` : ''}`;
}

export class TunnelView {
  constructor(id, fleet, actions, onclose) {
    this.id = id;
    this.fleet = fleet;
    this.actions = actions;
    this.onclose = onclose;
    this.isRevealed = false;
    this.detail = null;
    this.head = element('div', { className: 'detail-head' });
    this.note = element('div', { className: 'detail-note' });
    this.facts = card('Tunnel');
    this.fields = card('Fields');
    this.certificate = card('Certificate');
    this.targets = card('Targets');
    this.steps = card('Phases');
    this.events = card('Last events');
    this.plot = new TrafficPlot(id);
    this.log = new LogView(id);
    this.node = element('section', { className: 'detail', 'aria-label': 'Tunnel' }, this.head, this.note,
      element('div', { className: 'columns' },
        element('div', { className: 'main' }, this.plot.node, this.log.node, this.events.node, this.steps.node),
        element('div', { className: 'side' }, this.facts.node, this.targets.node, this.certificate.node,
          this.fields.node)));
    this.onchange = (event) => { if (event.detail.has(id)) this.changed(); };
    fleet.addEventListener('change', this.onchange);
    this.load();
    this.timer = setInterval(() => this.load(), refreshSeconds * 1000);
    this.tick = setInterval(() => this.showMoving(), 1000);
  }

  close() {
    this.fleet.removeEventListener('change', this.onchange);
    clearInterval(this.timer);
    clearInterval(this.tick);
    this.plot.close();
    this.log.close();
  }

  get streams() {
    return [this.log.stream];
  }

  /** What the list knows is newer than the details, except for what only those have. */
  get instance() {
    return { ...this.detail, ...this.fleet.find(this.id)?.instance };
  }

  changed() {
    const { phase, reason, revision, override } = this.instance;
    const signature = JSON.stringify([phase, reason, revision, override]);
    if (signature !== this.signature) this.load();
    this.signature = signature;
    this.show();
  }

  async load() {
    try {
      this.detail = await request('GET', `/instances/${this.id}`);
      this.missing = null;
    } catch (error) {
      this.missing = error;
    }
    this.show();
  }

  show() {
    const tunnel = this.fleet.find(this.id);
    if (!tunnel) {
      this.showMissing();
      return;
    }
    this.node.classList.remove('missing');
    this.showHead(tunnel);
    this.showNote(tunnel);
    this.showFacts(tunnel);
    this.showMoving();
    if (!this.detail) return;
    this.showFields();
    this.showTargets();
    this.showCertificate();
    this.showSteps();
    this.showEvents();
  }

  showMissing() {
    this.node.classList.add('missing');
    const text = !this.fleet.loaded ? 'Reading the tunnel…' : this.missing?.status === 404 || !this.missing
      ? 'This tunnel does not exist any more.' : this.missing.message;
    this.head.replaceChildren(this.back(), element('h1', {}, this.id));
    this.note.replaceChildren(element('div', { className: 'card empty' }, element('p', {}, text)));
  }

  back() {
    return element('a', { className: 'icon-button', href: '#/', 'aria-label': 'Back to all tunnels',
      title: 'Back (Esc)', onclick: (event) => { event.preventDefault(); this.onclose(); } }, icon('back'));
  }

  /** Buttons keep their place and focus: the head is rebuilt only when something in it changed. */
  showHead(tunnel) {
    const signature = [tunnel.label, tunnel.phase, tunnel.instance.reason, tunnel.isOverridden, tunnel.instance.status]
      .join('\n');
    if (signature === this.headSignature) return;
    this.headSignature = signature;
    const button = (text, run, tone = '') => element('button', { type: 'button', className: `button ${tone}`,
      onclick: run }, text);
    const isAbsent = tunnel.isMissing;
    const focused = this.head.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.head.replaceChildren(...[this.back(),
      element('div', { className: 'title' }, element('h1', {}, tunnel.label), phaseBadge(tunnel.phase),
        tunnel.instance.reason && element('span', { className: `reason ${phases[tunnel.phase].tone}` },
          tunnel.instance.reason)),
      element('div', { className: 'buttons' },
        tunnel.isOverridden && button('Release override', () => this.actions.release(tunnel), 'primary'),
        !isAbsent && (tunnel.instance.status === 'stopped' ? button('Start', () => this.actions.start(tunnel))
          : button('Stop', () => this.actions.stop(tunnel))),
        !isAbsent && !tunnel.isDeclared && button('Edit', () => this.actions.edit(tunnel)),
        !isAbsent && button('Restart', () => this.actions.run(tunnel, 'restart')),
        !isAbsent && button('Reset counters', () => this.actions.run(tunnel, 'reset')),
        !isAbsent && button('Delete', () => this.actions.remove(tunnel, this.onclose), 'danger'))].filter(Boolean));
    if (focused) [...this.head.querySelectorAll('button')].find((one) => one.textContent === focused)?.focus();
  }

  showNote(tunnel) {
    const { message, draining } = tunnel.instance;
    const { override } = tunnel;
    const signature = JSON.stringify([tunnel.phase, message, draining, override, tunnel.declared, tunnel.problem,
      tunnel.troubles]);
    if (signature === this.noteSignature) return;
    this.noteSignature = signature;
    const tone = phases[tunnel.phase].tone;
    const notes = [];
    if (message && !draining) notes.push(notice(tone === 'bad' ? 'bad' : tone === 'warn' ? 'warn' : '',
      phases[tunnel.phase].shape, element('p', {}, message)));
    if (draining) {
      this.drainingText = element('p', {}, drainingText(draining));
      notes.push(notice('warn', 'funnel', this.drainingText));
    }
    if (tunnel.isOverridden) {
      this.expiry = element('b', {});
      notes.push(notice('over', 'half',
        element('p', {}, overrideSentence(override), override.until ? [' (', this.expiry, ')'] : '', '. ',
          tunnel.declared ? ['The manifest says: ', element('b', {}, tunnel.declared), '.'] : ''),
        override.command && element('p', {}, element('code', {}, maskedURL(override.command)))));
    }
    for (const { text, remedy, urgent } of tunnel.troubles) {
      notes.push(notice(urgent ? 'bad' : 'warn', urgent ? 'cross' : 'triangle', element('p', {}, text),
        remedy && element('p', { className: 'muted' }, remedy)));
    }
    if (tunnel.problem) notes.push(notice('bad', 'cross', element('p', {},
      'The declaration is invalid, so its last valid declaration stays in use: ', element('code', {}, tunnel.problem.location ?? ''),
      ` ${tunnel.problem.message}`)));
    this.note.replaceChildren(...notes);
  }

  showFacts(tunnel) {
    const { instance } = this;
    const signature = JSON.stringify([instance, this.isRevealed]);
    if (signature === this.factsSignature) return;
    this.factsSignature = signature;
    this.uptime = element('span');
    this.uptimeRead = Date.now();
    const url = element('code', { className: 'url' }, this.isRevealed ? instance.url : this.shownURL);
    const rows = [
      ['Name', instance.name ?? 'none'], ['Id', element('code', {}, instance.id)],
      ['Declared at', tunnel.isDeclared ? element('code', {}, instance.source ?? 'manifest') : 'created through the API'],
      ['Kind', tunnel.flow.kind], ['Way', tunnel.flow.words], ['URL', element('span', { className: 'url-line' }, url, this.urlButtons(instance))],
      ['Listening on', list(instance.listening)],
      ...(instance.connected_peer ? [['Peer', peerText(instance.connected_peer)]] : []),
      ...(/[?&]handshake=compatible(&|$)/.test(instance.url) ? [['Handshake',
        'as NodePass v1.14: anyone who sees one can repeat it and try keys offline']] : []),
      ['Up for', this.uptime],
      ['Connections', `${instance.tcps} TCP, ${instance.udps} UDP`],
      ...(tunnel.flow.mode === 'single' ? [] : [['Pool', `${instance.pool} idle`],
        ['Ping', instance.ping ? `${instance.ping} ms` : '–']]),
      ['Traffic in',
        `${bytes(instance.tcprx + instance.udprx)} (TCP ${bytes(instance.tcprx)}, UDP ${bytes(instance.udprx)})`],
      ['Traffic out',
        `${bytes(instance.tcptx + instance.udptx)} (TCP ${bytes(instance.tcptx)}, UDP ${bytes(instance.udptx)})`],
      ['Turned away', String(instance.rejected ?? 0)],
      ['Tags', tunnel.tags.length ? element('span', { className: 'tags' },
        ...tunnel.tags.map((tag) => element('span', { className: 'tag' }, tag))) : 'none'],
      ['Revision', element('code', {}, instance.revision ?? '–')],
    ];
    const focused = this.facts.node.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.facts.show(definitions(rows));
    if (focused) [...this.facts.node.querySelectorAll('button')].find((one) => one.textContent === focused)?.focus();
  }

  /** The details know everything that is secret; until they are read, the key is. */
  get shownURL() {
    const { instance } = this;
    return this.detail?.url === instance.url ? this.detail.shown ?? maskedURL(instance.url) : maskedURL(instance.url);
  }

  urlButtons(instance) {
    const hidesKey = this.shownURL !== instance.url;
    const reveal = () => { this.isRevealed = !this.isRevealed; this.show(); };
    return element('span', { className: 'url-buttons' },
      hidesKey && element('button', { type: 'button', className: 'button small',
        'aria-pressed': String(this.isRevealed), onclick: reveal },
        this.isRevealed ? 'Hide secrets' : 'Reveal secrets'),
      copyButton('Copy', () => instance.url));
  }

  /** What counts by itself: times that pass. */
  showMoving() {
    const tunnel = this.fleet.find(this.id);
    if (!tunnel) return;
    const { uptime, draining } = tunnel.instance;
    if (this.uptime) setText(this.uptime, uptime ? duration(uptime + (Date.now() - this.uptimeRead) / 1000) : '–');
    if (tunnel.override?.until && this.expiry) setText(this.expiry, `${left(tunnel.override.until)} left`);
    if (draining && this.drainingText) setText(this.drainingText, drainingText(draining));
  }

  showFields() {
    const fields = this.detail.fields;
    this.fields.node.hidden = !fields;
    if (!fields) return;
    if (!fields.length) {
      this.fields.show(element('p', { className: 'muted' }, 'Every key has its default.'));
      return;
    }
    this.fields.show(element('table', { className: 'list' },
      element('thead', {},
        element('tr', {}, ...['Field', 'Value', 'Class', 'Source']
        .map((text) => element('th', { scope: 'col' }, text)))),
      element('tbody', {},
        ...fields.map((field) => element('tr', {}, element('th', { scope: 'row' }, element('code', {}, field.path)),
        element('td', { className: 'mono' }, field.value),
          element('td', { className: 'muted' }, field.class),
          element('td', { className: 'muted mono', title: field.source ?? '' },
            field.source ? shortPlace(field.source) : '–'))))));
  }

  /** How users fared with the targets: what went wrong last stays, so that one sees it afterwards. */
  showTargets() {
    const targets = this.detail.targets ?? [];
    this.targets.node.hidden = !targets.length;
    this.targets.show(element('ol', { className: 'timeline' }, ...targets.map(({ target, failures, error, errorTime,
      reachedTime }) =>
      element('li', {}, element('code', {}, target || 'at the other end'),
        element('span', { className: failures ? 'bad' : 'muted' },
          failures ? `${count(failures, 'failure')} in a row` : 'reached'),
        reachedTime && element('time', { dateTime: reachedTime, className: 'muted', title: `Last reached ${reachedTime}` },
          `reached ${moment(reachedTime)}`),
        error && element('p', { title: errorTime }, `${moment(errorTime)}: ${error}`)))));
  }

  showCertificate() {
    const { certificate } = this.instance;
    this.certificate.node.hidden = !certificate;
    if (!certificate) return;
    const { expiresInDays: days } = certificate;
    const expiry = days < 0 ? `expired ${count(-days, 'day')} ago` : `in ${count(days, 'day')}`;
    this.certificate.show([certificate.warning && notice('warn', 'triangle', element('p', {}, certificate.warning)),
      definitions([
      ['Subject', certificate.subject],
      ['Expires', element('span', { className: days < 14 ? 'warn' : '' },
        `${certificate.notAfter.slice(0, 10)}, ${expiry}`)],
      ['Valid from', certificate.notBefore.slice(0, 10)],
      ['Fingerprint', element('code', { className: 'fingerprint' }, certificate.fingerprint)]])]);
  }

  showSteps() {
    const steps = [...this.detail.history ?? []].reverse();
    this.steps.node.hidden = !steps.length;
    this.steps.show(element('ol', { className: 'timeline' }, ...steps.map((step, index) => {
      const until = index ? Date.parse(steps[index - 1].time) : daemonNow();
      const lasted = duration((until - Date.parse(step.time)) / 1000);
      return element('li', {}, phaseBadge(step.phase), step.reason && element('span', { className: 'muted' },
        step.reason),
        element('time', { dateTime: step.time, className: 'muted', title: `${step.time}, ${ago(step.time)}` },
          `${moment(step.time)} · ${lasted}`), step.message && element('p', {}, step.message));
    })));
  }

  /** Two logs with numbers of their own; the daemon has put them in order. */
  showEvents() {
    const events = [...this.detail.events ?? []].reverse();
    this.events.node.hidden = !events.length;
    this.events.show(element('ol', { className: 'timeline' }, ...events.map((event) =>
      element('li', {}, element('b', {}, event.type), element('span', {}, lastEventText(event)),
        element('time', { dateTime: event.time, className: 'muted', title: event.time }, stamp(event.time)),
        event.message && element('p', {}, event.message)))));
  }
}

/** A titled surface whose content is exchanged. */
function card(title) {
  const body = element('div', { className: 'body' }, element('p', { className: 'muted' }, 'Reading…'));
  const node = element('section', { className: 'card' }, element('header', {}, element('h2', {}, title)), body);
  return { node, show: (content) => body.replaceChildren(...[content].flat().filter(Boolean)) };
}

function notice(tone, shape, ...content) {
  return element('div', { className: `notice ${tone}` }, icon(shape), element('div', {}, ...content));
}

function definitions(rows) {
  return element('dl', { className: 'facts' },
    ...rows.flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]));
}

function list(addresses) {
  if (!addresses?.length) return 'nothing';
  return element('span', { className: 'stack' }, ...addresses.map((address) => element('code', {}, address)));
}
