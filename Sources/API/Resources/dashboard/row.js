// One tunnel in the list: a row on wide screens, a card on narrow ones. Built once, then only written where it differs.

import { element, icon, setClass, setIcon, setText, setTitle, shown } from '../shared/dom.js';
import { daemonNow, left, maskedURL, moment, plainText, rate, shortPlace } from '../shared/format.js';
import { phases } from './fleet.js';
import { Sparkline } from '../shared/plot.js';

/** Who did something, and what they wrote about why. */
export function authorText({ by, note }) { return note ? `${by} (${plainText(note)})` : by; }

/** What an override changes, in a few words. */
export function overrideText(override) {
  if (override.deleted) return 'deleted';
  if (override.state) return override.state === 'stopped' ? 'stopped' : 'started';
  if (override.command) return 'reconfigured';
  const parts = ['alias', 'tags', 'peer', 'restart'].filter((name) => name in override);
  return parts.length ? `${parts.join(', ')} changed` : 'overridden';
}

/** `stopped by 10.0.0.5, 14:02:11, 27m left`: as much as a row has room for. */
function overrideLine(override, now) {
  const end = override.until ? `${left(override.until, now)} left` : 'until released';
  return `${overrideText(override)} by ${authorText(override)}, ${moment(override.since)}, ${end}`;
}

/** Who made it, since when and until when. */
export function overrideSentence(override) {
  const until = override.until ? `until ${moment(override.until)}` : 'until released';
  return `Overridden (${overrideText(override)}) by ${authorText(override)} since ${moment(override.since)}, ${until}`;
}

export function phaseBadge(phase) {
  const { tone, shape } = phases[phase] ?? phases.stopped;
  return element('span', { className: `phase ${tone}` }, icon(shape), element('span', {}, phase));
}

/** What a draining tunnel waits for. */
export function drainingText(draining, now = daemonNow()) {
  return `${draining.connections} ${draining.connections === 1 ? 'connection'
    : 'connections'} draining, ${left(draining.until, now)} left`;
}

export class Row {
  /**
   * `actions` has `start`, `stop`, `release` and `menu`, each given the tunnel (and the button); `onselect` takes a
   * tunnel and whether it is selected.
   */
  constructor(actions, onselect) {
    this.actions = actions;
    this.phase = element('span', { className: 'phase' });
    this.phaseWord = element('span');
    this.phase.append(this.phaseWord);
    this.reason = element('span', { className: 'reason cut' });
    this.name = element('a', { className: 'name cut', tabIndex: -1 });
    this.badge = element('span', { className: 'badge over' });
    this.badgeText = element('span', { className: 'cut' });
    this.badge.append(icon('half'), this.badgeText);
    this.source = element('span', { className: 'source cut muted' });
    this.route = element('span', { className: 'route mono cut' });
    this.note = element('span', { className: 'note cut' });
    this.spark = new Sparkline();
    this.in = element('span', { className: 'in' });
    this.out = element('span', { className: 'out' });
    this.connections = cell('connections number');
    this.pool = cell('pool number');
    this.ping = cell('ping number');
    this.release = button('Release', () => actions.release(this.tunnel));
    this.toggle = element('button', { type: 'button', className: 'icon-button', tabIndex: -1,
      onclick: () => this.turn() });
    this.check = element('input', { type: 'checkbox', tabIndex: -1, onchange: () => onselect(this.tunnel, this.check.checked) });
    this.menu = element('button', { type: 'button', className: 'icon-button', tabIndex: -1, 'aria-haspopup': 'menu',
      onclick: () => actions.menu(this.tunnel, this.menu) }, icon('more'));
    this.node = element('div', { className: 'row', role: 'row', tabIndex: -1 },
      cell('select', this.check), cell('state', this.phase, this.reason),
      cell('tunnel', this.name, this.source),
      cell('flow', this.route, element('span', { className: 'line' }, this.badge, this.note)),
      cell('traffic', this.spark.node, element('span', { className: 'rates' }, this.in, this.out)),
      this.connections, this.pool, this.ping,
      cell('actions', this.release, this.toggle, this.menu));
  }

  get controls() {
    return [this.check, this.release, this.toggle, this.menu].filter((control) => !control.hidden);
  }

  show(tunnel, now) {
    const { instance, phase } = tunnel;
    this.tunnel = tunnel;
    const { tone, shape } = phases[phase];
    setClass(this.phase, `phase ${tone}`);
    setIcon(this.phase, shape);
    setText(this.phaseWord, phase);
    setText(this.reason, instance.reason ?? '');
    setText(this.name, tunnel.label);
    setTitle(this.name, tunnel.label);
    const href = tunnel.isMissing ? null : `#/tunnels/${tunnel.id}`;
    if (href === null) this.name.removeAttribute('href');
    else if (this.name.getAttribute('href') !== href) this.name.setAttribute('href', href);
    this.showOrigin(tunnel, now);
    const { words, kind } = tunnel.flow;
    setText(this.route, words);
    setTitle(this.route, maskedURL(instance.url));
    this.route.hidden = !words;
    this.showNote(tunnel, kind, tone, now);
    this.showTraffic(tunnel);
    this.showControls(tunnel);
  }

  showOrigin(tunnel, now) {
    const { instance, override } = tunnel;
    this.badge.hidden = !override;
    if (override) {
      setText(this.badgeText, overrideLine(override, now));
      const instead = tunnel.declared ? `. The manifest says: ${tunnel.declared}` : '';
      setTitle(this.badge, overrideSentence(override) + instead);
    }
    const name = instance.name && instance.name !== tunnel.label ? ` · ${instance.name}` : '';
    const place = instance.source ? shortPlace(instance.source) : 'manifest';
    setText(this.source, tunnel.isDeclared ? `${place}${name}` : 'created through the API');
    setTitle(this.source, instance.source ? `${instance.source}${name}` : '');
  }

  /** The second line: what is wrong, what it waits for, or else what kind of tunnel it is. */
  showNote(tunnel, kind, tone, now) {
    const { message, draining } = tunnel.instance;
    const [text, noteTone] = draining ? [drainingText(draining, now), 'warn'] : message ? [message, tone]
      : tunnel.troubles.length ? [tunnel.troubles.map(({ text: one }) => one).join('; '), 'bad']
      : tunnel.problem ? [`Declaration invalid, the last valid one is in use: ${tunnel.problem.message}`, 'bad'] : [tunnel.override ? '' : kind, 'muted'];
    setText(this.note, text);
    setTitle(this.note, text);
    setClass(this.note, `note cut ${noteTone}`);
  }

  showTraffic(tunnel) {
    const { instance, rates: [received, sent] } = tunnel;
    this.spark.show(tunnel.series);
    setText(this.in, rate(received));
    setText(this.out, rate(sent));
    setClass(this.in, received ? 'in' : 'in muted');
    setClass(this.out, sent ? 'out' : 'out muted');
    setText(this.connections, (instance.connections ?? 0).toLocaleString('en'));
    setText(this.pool, instance.pool ? String(instance.pool) : '–');
    setText(this.ping, instance.ping ? `${instance.ping} ms` : '–');
  }

  showControls(tunnel) {
    const runs = tunnel.instance.status === 'running' || tunnel.instance.status === 'error';
    this.release.hidden = !tunnel.override;
    this.check.disabled = tunnel.phase === 'invalid';
    this.toggle.hidden = tunnel.isMissing;
    this.menu.hidden = tunnel.isMissing;
    setIcon(this.toggle, runs ? 'stop' : 'play');
    const name = shown(tunnel.label);
    const label = `${runs ? 'Stop' : 'Start'} ${name}`;
    if (this.toggle.title !== label) {
      this.toggle.title = label;
      this.toggle.setAttribute('aria-label', label);
      this.menu.setAttribute('aria-label', `More actions for ${name}`);
      this.release.setAttribute('aria-label', `Release the override of ${name}`);
      this.check.setAttribute('aria-label', `Select ${name}`);
    }
  }

  turn() {
    const runs = this.tunnel.instance.status !== 'stopped';
    if (runs) this.actions.stop(this.tunnel);
    else this.actions.start(this.tunnel);
  }

  setSelected(isSelected) {
    if (this.check.checked !== isSelected) this.check.checked = isSelected;
    this.node.classList.toggle('selected', isSelected);
    this.node.setAttribute('aria-selected', String(isSelected));
  }

  /** Only the active row's controls take part in the tab order. */
  setActive(isActive) {
    const index = isActive ? 0 : -1;
    if (this.node.tabIndex === index) return;
    this.node.tabIndex = index;
    for (const control of [this.check, this.release, this.toggle, this.menu]) control.tabIndex = index;
  }
}

function cell(name, ...children) {
  return element('div', { className: `cell ${name}`, role: 'gridcell' }, ...children);
}

function button(text, onclick) {
  return element('button', { type: 'button', className: 'button small release', tabIndex: -1, onclick }, text);
}
