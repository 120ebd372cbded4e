// The list of tunnels: filtered, sorted, and only as much of it in the page as the window shows.

import { element, setText } from '../shared/dom.js';
import { groupCounts, groups, phases } from './fleet.js';
import { daemonNow } from '../shared/format.js';
import { Row } from './row.js';
import { slotOf } from '../shared/series.js';
import { tell } from '../shared/overlay.js';

/** Rows above and below the window, so that scrolling shows no gap. */
const overscan = 6;

const groupLabels = { failing: 'Failing', trouble: 'Problems', overridden: 'Overridden', waiting: 'Connecting', draining: 'Draining',
  stopped: 'Stopped', ready: 'Ready' };

/** One for all comparisons: making it is what takes time. */
const { compare } = new Intl.Collator('en', { numeric: true });
const byName = (left, right) => compare(left.label, right.label) || (left.id < right.id ? -1 : 1);
const orders = {
  name: byName,
  phase: (left, right) => phases[left.phase].rank - phases[right.phase].rank,
  flow: (left, right) => compare(left.flow.tunnel, right.flow.tunnel),
  traffic: (left, right) => right.rate - left.rate,
  connections: (left, right) => (right.instance.connections ?? 0) - (left.instance.connections ?? 0),
  pool: (left, right) => right.instance.pool - left.instance.pool,
  ping: (left, right) => right.instance.ping - left.instance.ping,
  source: (left, right) => compare(left.instance.source ?? '~', right.instance.source ?? '~'),
};
const columns = [['phase', 'State'], ['name', 'Tunnel'], ['flow', 'Flow'], ['traffic', 'Traffic'],
  ['connections', 'Conns'], ['pool', 'Pool'], ['ping', 'Ping']];
const orderLabels = { name: 'Name', phase: 'State, worst first', flow: 'Address', traffic: 'Traffic',
  connections: 'Connections', pool: 'Pool', ping: 'Ping', source: 'Place in the manifest' };

/** What can be done to several tunnels at once. */
const bulkActions = [['stop', 'Stop…'], ['start', 'Start…'], ['restart', 'Restart…'], ['release', 'Release…'],
  ['delete', 'Delete…']];

/** What is shown and how it is sorted; lives in the address, so that a view can be shared. */
export class Selection {
  constructor(parameters = new URLSearchParams()) {
    this.text = parameters.get('q') ?? '';
    this.group = parameters.get('group') ?? '';
    this.origin = parameters.get('origin') ?? '';
    this.tag = parameters.get('tag') ?? '';
    this.order = parameters.get('sort') in orders ? parameters.get('sort') : 'name';
    this.isReversed = parameters.get('reverse') === '1';
  }

  get parameters() {
    const pairs = { q: this.text, group: this.group, origin: this.origin, tag: this.tag, sort: this.order === 'name'
      ? '' : this.order, reverse: this.isReversed ? '1' : '' };
    return new URLSearchParams(Object.entries(pairs).filter(([, value]) => value));
  }

  get isNarrowed() {
    return Boolean(this.text || this.group || this.origin || this.tag);
  }

  /** The tunnels it lets through whatever their state is: those that the chips count. */
  narrowed(tunnels) {
    if (!this.text && !this.origin && !this.tag) return tunnels;
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    return tunnels.filter((tunnel) =>
      (!this.origin || tunnel.instance.origin === this.origin)
      && (!this.tag || tunnel.tags.includes(this.tag))
      && words.every((word) => tunnel.searchText.includes(word)));
  }

  /** Of those the ones of its group, in order. */
  ordered(narrowed) {
    const chosen = narrowed.filter(groups[this.group] ?? (() => true));
    const order = orders[this.order];
    const direction = this.isReversed ? -1 : 1;
    return chosen.sort((left, right) => direction * order(left, right) || byName(left, right));
  }
}

export class TunnelTable {
  /** `onopen(id)` opens a tunnel, `onselect()` says that filter or order changed, `onnew()` creates one. */
  constructor(fleet, actions, { onopen, onselect, onnew }) {
    this.fleet = fleet;
    this.actions = actions;
    this.onopen = onopen;
    this.onselect = onselect;
    this.onnew = onnew;
    this.selection = new Selection();
    this.rows = new Map();
    this.list = [];
    /** Ids of the tunnels that are selected for an action on all of them. */
    this.selected = new Set();
    this.active = null;
    this.build();
    fleet.addEventListener('change', () => this.refresh());
    addEventListener('scroll', () => this.schedule(), { passive: true });
    addEventListener('resize', () => this.schedule(), { passive: true });
  }

  // MARK: Toolbar

  build() {
    this.filter = element('input', {
      type: 'search', placeholder: 'Filter by name, address, reason, tag', 'aria-label': 'Filter tunnels',
      autocomplete: 'off', spellcheck: false, 'aria-keyshortcuts': '/',
      oninput: () => this.select({ text: this.filter.value }),
    });
    this.chips = new Map();
    const chips = element('div', { className: 'chips', role: 'group', 'aria-label': 'Filter by state' },
      this.chip('', 'All'),
      ...Object.entries(groupLabels).map(([name, text]) => this.chip(name, text)));
    this.origin = element('select',
      { 'aria-label': 'Filter by origin', onchange: () => this.select({ origin: this.origin.value }) },
      option('', 'Any origin'), option('manifest', 'Manifest'), option('api', 'API'));
    this.tag = element('select',
      { 'aria-label': 'Filter by tag', onchange: () => this.select({ tag: this.tag.value }) }, option('', 'Any tag'));
    this.order = element('select', { className: 'order', 'aria-label': 'Sort by',
      onchange: () => this.select({ order: this.order.value, isReversed: false }) },
      ...Object.entries(orderLabels).map(([value, text]) => option(value, text)));
    this.headings = columns.map(([name, text]) => element('div', { className: `cell ${name}`, role: 'columnheader' },
      element('button', { type: 'button', onclick: () => this.sort(name) }, text)));
    this.checkAll = element('input', { type: 'checkbox', 'aria-label': 'Select all that are shown',
      onchange: () => this.selectAll(this.checkAll.checked) });
    this.head = element('div', { className: 'row head', role: 'row', 'aria-rowindex': '1' },
      element('div', { className: 'cell select', role: 'columnheader' }, this.checkAll), ...this.headings,
      element('div', { className: 'cell actions', role: 'columnheader' },
        element('span', { className: 'hidden-text' }, 'Actions')));
    this.body = element('div', { className: 'rows', role: 'rowgroup', onkeydown: (event) => this.move(event),
      onclick: (event) => this.click(event), onfocusin: (event) => this.focused(event) });
    this.grid = element('div', { className: 'grid', role: 'grid', 'aria-label': 'Tunnels' },
      element('div', { role: 'rowgroup', className: 'heads' }, this.head), this.body);
    this.empty = element('div', { className: 'empty', hidden: true });
    this.shown = element('p', { className: 'shown muted', role: 'status' });
    this.selectedText = element('b', {});
    this.bulk = element('div', { className: 'bulk', role: 'toolbar', 'aria-label': 'Actions for selected tunnels',
      hidden: true }, this.selectedText, ...bulkActions.map(([action, text]) =>
      element('button', { type: 'button', className: `button small ${action === 'delete' ? 'danger' : ''}`,
        onclick: () => this.act(action) }, text)),
    element('button', { type: 'button', className: 'button small', onclick: () => this.selectAll(false) }, 'Clear'));
    this.node = element('section', { className: 'tunnels', 'aria-label': 'Tunnels' },
      element('div', { className: 'toolbar' },
        element('div', { className: 'search' }, this.filter, element('kbd', { 'aria-hidden': 'true' }, '/')), chips,
        element('div', { className: 'selects' }, this.origin, this.tag, this.order)),
      this.bulk, this.shown, element('div', { className: 'card' }, this.grid, this.empty));
  }

  chip(name, text) {
    const number = element('b', {}, '');
    const node = element('button', { type: 'button', className: 'chip', 'data-group': name, 'aria-pressed': 'false',
      onclick: () => this.select({ group: this.selection.group === name ? '' : name }) }, text, number);
    this.chips.set(name, { node, number });
    return node;
  }

  /** Changes part of the selection. */
  select(change) {
    Object.assign(this.selection, change);
    this.refresh();
    this.onselect(this.selection);
  }

  /** Takes over a selection from the address. */
  restore(selection) {
    this.selection = selection;
    if (this.filter.value !== selection.text) this.filter.value = selection.text;
    this.origin.value = selection.origin;
    this.refresh();
  }

  sort(name) {
    const isSame = this.selection.order === name;
    this.select({ order: name, isReversed: isSame ? !this.selection.isReversed : false });
  }

  // MARK: Selected tunnels

  selectOne({ id }, isSelected) {
    if (isSelected) this.selected.add(id);
    else this.selected.delete(id);
    this.showSelected();
  }

  /** All that the filter lets through, whether they are in the window or not. */
  selectAll(isSelected) {
    if (!isSelected) this.selected.clear();
    else for (const tunnel of this.list) if (tunnel.phase !== 'invalid') this.selected.add(tunnel.id);
    this.showSelected();
  }

  /** Only what one sees is acted on: a filter takes from the selection what it hides. */
  showSelected() {
    if (this.selected.size) {
      const present = new Set(this.list.map(({ id }) => id));
      for (const id of this.selected) if (!present.has(id)) this.selected.delete(id);
    }
    for (const [id, row] of this.rows) row.setSelected(this.selected.has(id));
    const amount = this.selected.size;
    this.bulk.hidden = !amount;
    setText(this.selectedText, `${amount.toLocaleString('en')} selected`);
    this.checkAll.checked = amount > 0 && amount === this.list.length;
    this.checkAll.indeterminate = amount > 0 && amount < this.list.length;
  }

  act(action) {
    const tunnels = this.list.filter(({ id }) => this.selected.has(id));
    const chosen = action === 'release' ? tunnels.filter((tunnel) => tunnel.isOverridden)
      : tunnels.filter((tunnel) => !tunnel.isMissing);
    if (chosen.length) this.actions.change(chosen, action, () => this.selectAll(false));
    else tell(action === 'release' ? 'None of them is overridden' : 'None of them has an instance', 'bad');
  }

  showToolbar(counts) {
    for (const [name, { node, number }] of this.chips) {
      const amount = counts[name];
      setText(number, String(amount));
      node.setAttribute('aria-pressed', String(this.selection.group === name));
      node.hidden = Boolean(name) && amount === 0 && this.selection.group !== name;
    }
    this.showTags();
    this.order.value = this.selection.order;
    const direction = this.selection.isReversed ? 'descending' : 'ascending';
    columns.forEach(([name], index) => {
      if (name === this.selection.order) this.headings[index].setAttribute('aria-sort', direction);
      else this.headings[index].removeAttribute('aria-sort');
    });
  }

  showTags() {
    const tags = [...new Set(this.fleet.all.flatMap((tunnel) => tunnel.tags))].sort();
    const signature = tags.join('\n');
    if (signature !== this.tagSignature) {
      this.tagSignature = signature;
      this.tag.replaceChildren(option('', 'Any tag'), ...tags.map((tag) => option(tag, tag)));
    }
    this.tag.hidden = tags.length === 0;
    this.tag.value = this.selection.tag;
  }

  // MARK: Rows

  /** Filters and sorts anew, then draws what is visible. */
  refresh() {
    if (this.node.hidden) return;
    const narrowed = this.selection.narrowed(this.fleet.all);
    this.list = this.selection.ordered(narrowed);
    this.showToolbar({ ...groupCounts(narrowed), '': narrowed.length });
    this.grid.setAttribute('aria-rowcount', String(this.list.length + 1));
    this.showEmpty();
    this.shown.hidden = !this.selection.isNarrowed || !this.list.length;
    setText(this.shown, this.selection.isNarrowed && this.list.length
      ? `${this.list.length} of ${this.fleet.all.length} tunnels` : '');
    this.showSelected();
    this.draw();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.node.hidden) this.draw();
    });
  }

  draw() {
    const height = parseFloat(getComputedStyle(this.body).getPropertyValue('--row'));
    this.rowHeight = height;
    this.body.style.height = `${this.list.length * height}px`;
    const top = -this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - overscan);
    const last = Math.min(this.list.length, Math.ceil((top + innerHeight) / height) + overscan);
    const visible = [];
    for (let index = first; index < last; index += 1) visible.push(index);
    this.keepActive(visible);
    this.place(visible);
  }

  /** The row that has the focus stays in the page wherever it scrolls. */
  keepActive(visible) {
    if (!this.list.some((tunnel) => tunnel.id === this.active)) this.active = this.list[0]?.id ?? null;
    const index = this.list.findIndex((tunnel) => tunnel.id === this.active);
    if (index < 0 || visible.includes(index)) return;
    if (index < visible[0]) visible.unshift(index);
    else visible.push(index);
  }

  /** Draws anew what counts down, and moves the lines of traffic on. */
  tick() {
    if (this.node.hidden) return;
    const step = slotOf(daemonNow());
    const counts = ({ tunnel }) => tunnel.override?.until || tunnel.instance.draining;
    if (step !== this.step || [...this.rows.values()].some(counts)) this.draw();
    this.step = step;
  }

  place(visible) {
    const now = daemonNow();
    const focused = document.activeElement;
    const kept = new Set(visible.map((index) => this.list[index].id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.node.remove();
      this.rows.delete(id);
    }
    let cursor = this.body.firstChild;
    for (const index of visible) {
      const tunnel = this.list[index];
      const row = this.rows.get(tunnel.id) ?? this.add(tunnel.id);
      row.show(tunnel, now);
      row.setActive(tunnel.id === this.active);
      row.setSelected(this.selected.has(tunnel.id));
      this.position(row, index);
      if (row.node === cursor) cursor = cursor.nextSibling;
      else this.body.insertBefore(row.node, cursor);
    }
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }

  add(id) {
    const row = new Row(this.actions, (tunnel, isSelected) => this.selectOne(tunnel, isSelected));
    row.node.dataset.id = id;
    this.rows.set(id, row);
    return row;
  }

  position(row, index) {
    const transform = `translateY(${index * this.rowHeight}px)`;
    if (row.node.style.transform !== transform) {
      row.node.style.transform = transform;
      row.node.setAttribute('aria-rowindex', String(index + 2));
    }
  }

  showEmpty() {
    const isEmpty = this.list.length === 0;
    this.grid.hidden = isEmpty;
    this.empty.hidden = !isEmpty;
    if (!isEmpty) return;
    const state = !this.fleet.loaded ? 'loading' : this.selection.isNarrowed ? 'filtered' : 'none';
    if (this.emptyState === state) return;
    this.emptyState = state;
    this.empty.replaceChildren(...this.emptyTexts(state));
  }

  emptyTexts(state) {
    if (state === 'loading') return [element('p', {}, 'Reading the tunnels…')];
    if (state === 'filtered') {
      return [element('h2', {}, 'No tunnel matches'),
        element('p', {}, 'Try other words, another state or another tag.'),
        element('button', { type: 'button', className: 'button', onclick: () => this.clear() }, 'Clear the filter')];
    }
    return [element('h2', {}, 'No tunnels yet'),
      element('p', {}, 'Declare one in the manifest and save, or create one here.'),
      element('button', { type: 'button', className: 'button', onclick: () => this.onnew() }, 'New tunnel')];
  }

  clear() {
    this.filter.value = '';
    this.origin.value = '';
    this.select({ text: '', group: '', origin: '', tag: '' });
    this.filter.focus();
  }

  // MARK: Keyboard and mouse

  click(event) {
    if (event.target.closest('button, a, .select') || getSelection().toString()) return;
    const row = event.target.closest('.row');
    if (row) this.onopen(row.dataset.id);
  }

  focused(event) {
    const id = event.target.closest('.row')?.dataset.id;
    if (!id || id === this.active) return;
    this.rows.get(this.active)?.setActive(false);
    this.active = id;
    this.rows.get(id)?.setActive(true);
  }

  move(event) {
    const row = event.target.closest('.row');
    if (event.target !== row) {
      if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') this.moveWithin(event, row);
      return;
    }
    const index = this.list.findIndex((tunnel) => tunnel.id === this.active);
    const page = Math.max(1, Math.floor(innerHeight / this.rowHeight) - 3);
    const steps = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0,
      End: this.list.length - 1 };
    if (event.key in steps) this.focus(Math.min(this.list.length - 1, Math.max(0, steps[event.key])));
    else if (event.key === 'Enter') this.onopen(this.active);
    else if (event.key === ' ') this.toggle(this.active);
    else if (event.key === 'ArrowRight') this.moveWithin(event, row);
    else return;
    event.preventDefault();
  }

  toggle(id) {
    const tunnel = this.fleet.find(id);
    if (tunnel && tunnel.phase !== 'invalid') this.selectOne(tunnel, !this.selected.has(id));
  }

  /** Left and right walk through a row's controls; left of the first is the row. */
  moveWithin(event, row) {
    const stops = [row, ...this.rows.get(row.dataset.id).controls];
    const at = stops.indexOf(event.target);
    stops[Math.min(stops.length - 1, Math.max(0, at + (event.key === 'ArrowRight' ? 1 : -1)))].focus();
    event.preventDefault();
  }

  focus(index) {
    const tunnel = this.list[index];
    if (!tunnel) return;
    this.rows.get(this.active)?.setActive(false);
    this.active = tunnel.id;
    this.draw();
    const { node } = this.rows.get(tunnel.id);
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: 'nearest' });
  }

  /** Gives the focus back to the row a view was opened from. */
  focusActive() {
    this.rows.get(this.active)?.node.focus({ preventScroll: true });
  }
}

function option(value, text) {
  return element('option', { value }, text);
}
