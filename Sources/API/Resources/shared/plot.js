// Traffic over time: the small line of a row, and the plot of a tunnel.

import { request } from './api.js';
import { element, segments, setText, vector } from './dom.js';
import { bytes, clock, daemonNow, day, minute, rate } from './format.js';

const sparkWidth = 120;
const sparkHeight = 28;
/** Less than this is drawn small, so that a trickle does not look like a flood. */
const smallestScale = 2_000;

/** The last five minutes of a tunnel, in and out. */
export class Sparkline {
  constructor() {
    this.area = vector('path', { class: 'area' });
    this.in = vector('path', { class: 'in' });
    this.out = vector('path', { class: 'out' });
    this.node = vector('svg', { class: 'spark', viewBox: `0 0 ${sparkWidth} ${sparkHeight}`,
      preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.area, this.in, this.out);
  }

  show(series) {
    series.advance();
    if (this.series === series && this.version === series.version) return;
    this.series = series;
    this.version = series.version;
    const top = Math.max(smallestScale, ...series.in, ...series.out);
    const line = this.line(series.in, top);
    const isQuiet = !series.in.some(Boolean) && !series.out.some(Boolean);
    this.in.setAttribute('d', isQuiet ? '' : line);
    this.out.setAttribute('d', isQuiet ? '' : this.line(series.out, top));
    this.area.setAttribute('d', isQuiet ? '' : `${line}V${sparkHeight}H0Z`);
  }

  line(values, top) {
    const step = sparkWidth / (values.length - 1);
    return values.map((value, index) => {
      const y = sparkHeight - 1 - (value / top) * (sparkHeight - 3);
      return `${index ? 'L' : 'M'}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    }).join('');
  }
}

/** The window stays chosen from one tunnel to the next. */
let chosenWindow = '15m';
const windows = { '15m': 900, '1h': 3_600, '6h': 21_600, '24h': 86_400, '7d': 604_800 };
const plots = [
  { name: 'traffic', top: 12, height: 180, unit: rate,
    series: [['in', (point) => point.in], ['out', (point) => point.out]] },
  { name: 'connections', top: 224, height: 64, unit: (value) => String(Math.round(value)),
    series: [['connections', (point) => point.connections]] },
];
const margin = { left: 72, right: 12 };
/** Closer than this, neighboring points are drawn as one. */
const pixelsPerPoint = 3;
/** Room a time label needs. */
const labelWidth = 84;
const height = 316;

/** 1, 2 or 5 times a power of ten, so that about `wanted` lines fit below the top. */
export function niceStep(top, wanted) {
  const rough = top / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** Seconds between time marks, so that at most `most` stand in a span. */
function timeStep(span, most) {
  const steps = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800];
  return steps.find((step) => span / step <= most) ?? steps.at(-1);
}

/**
 * One point for every step that ended in the window, or for as many together as share a pixel: means of
 * what was moved, so that the area stays right, and the most connections. What was not recorded was nothing.
 */
export function binned(points, { step, start, end, most }) {
  const size = step * Math.max(1, Math.ceil((end - start) / step / most));
  const first = Math.ceil(start / size);
  const bins = Array.from({ length: Math.floor(end / size) - first + 1 }, (_, index) =>
    ({ time: (first + index) * size, in: 0, out: 0, connections: 0 }));
  for (const point of points) {
    const bin = bins[Math.ceil(point.time / size) - first];
    if (!bin) continue;
    bin.in += point.bytesIn / size;
    bin.out += point.bytesOut / size;
    bin.connections = Math.max(bin.connections, point.connections);
  }
  return bins;
}

/** Traffic and connections of one tunnel over a chosen window, with a readout under the pointer or the arrow keys. */
export class TrafficPlot {
  constructor(id) {
    this.id = id;
    this.window = chosenWindow;
    this.recorded = [];
    this.points = [];
    this.readout = element('div', { className: 'readout' });
    this.width = 0;
    this.svg = vector('svg', { class: 'plot', role: 'img', tabindex: '0' });
    this.svg.addEventListener('pointermove', (event) => this.point(event));
    this.svg.addEventListener('pointerleave', () => this.mark(null));
    this.svg.addEventListener('keydown', (event) => this.step(event));
    this.svg.addEventListener('blur', () => this.mark(null));
    this.message = element('p', { className: 'plot-message muted', role: 'status' }, 'Reading the history…');
    this.node = element('section', { className: 'card traffic-plot' },
      element('header', {}, element('h2', {}, 'Traffic'),
        segments('Window', Object.keys(windows).map((name) => [name, name]), this.window, (name) => this.choose(name))),
      element('div', { className: 'body' }, this.readout, element('div', { className: 'plot-frame' }, this.svg,
        this.message)));
    this.resizing = new ResizeObserver(([entry]) => this.resize(entry.contentRect.width));
    this.resizing.observe(this.svg);
    this.load();
  }

  /** One unit of the drawing is one pixel, so that text is never scaled. */
  resize(width) {
    this.width = width;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    if (this.stepSeconds) this.draw();
  }

  choose(name) {
    this.window = name;
    chosenWindow = name;
    this.load();
  }

  close() {
    this.resizing.disconnect();
    this.cancel();
  }

  cancel() {
    clearTimeout(this.timer);
    this.abort?.abort();
  }

  async load() {
    this.cancel();
    this.abort = new AbortController();
    try {
      const history = await request('GET', `/instances/${this.id}/history`,
        { query: { window: `${windows[this.window]}s` }, signal: this.abort.signal });
      this.take(history);
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.tell(`No history: ${error.message}`);
    }
    const pause = Math.min(300, Math.max(5, this.stepSeconds ?? 5));
    this.timer = setTimeout(() => this.load(), pause * 1000);
  }

  take({ step, points }) {
    this.stepSeconds = step;
    this.recorded = points.map((point) => ({ time: point.time, connections: point.connections,
      bytesIn: point.tcprx + point.udprx, bytesOut: point.tcptx + point.udptx }));
    this.tell(points.length ? '' : 'Nothing was recorded in this window yet');
    this.draw();
  }

  tell(text) {
    this.message.hidden = !text;
    setText(this.message, text);
  }

  // MARK: Drawing

  draw() {
    if (!this.width) return;
    const end = daemonNow() / 1000;
    this.domain = [end - windows[this.window], end];
    const [start] = this.domain;
    const most = (this.width - margin.left) / pixelsPerPoint;
    this.points = this.recorded.length ? binned(this.recorded, { step: this.stepSeconds, start, end, most }) : [];
    this.svg.replaceChildren(...this.timeAxis(), ...plots.flatMap((plot) => this.panel(plot)));
    this.cursor = vector('g', { class: 'cursor' });
    this.svg.append(this.cursor);
    this.mark(this.marked ?? null);
    const { sumIn, sumOut } = this.sums();
    this.svg.setAttribute('aria-label',
      `Traffic of the last ${this.window}: ${bytes(sumIn)} in, ${bytes(sumOut)} out. Arrow keys read single points.`);
  }

  sums() {
    return this.recorded.reduce((sums, point) =>
      ({ sumIn: sums.sumIn + point.bytesIn, sumOut: sums.sumOut + point.bytesOut }), { sumIn: 0, sumOut: 0 });
  }

  x(time) {
    const [start, end] = this.domain;
    return margin.left + ((time - start) / (end - start)) * (this.width - margin.left - margin.right);
  }

  timeAxis() {
    const [start, end] = this.domain;
    const step = timeStep(end - start, Math.max(2, (this.width - margin.left) / labelWidth));
    const offset = new Date().getTimezoneOffset() * 60;
    const marks = [];
    for (let time = Math.ceil((start - offset) / step) * step + offset; time <= end; time += step) {
      const x = this.x(time);
      const label = step >= 43_200 ? day(time * 1000) : minute(time * 1000);
      marks.push(vector('line', { class: 'grid', x1: x, x2: x, y1: plots[0].top, y2: plots[1].top + plots[1].height }),
        this.text(label, x, height - 8, 'middle'));
    }
    return marks;
  }

  panel(plot) {
    const highest = Math.max(...this.points.flatMap((point) => plot.series.map(([, value]) => value(point))),
      plot.name === 'traffic' ? 1_000 : 4);
    const wanted = plot.name === 'traffic' ? 4 : 2;
    const step = niceStep(highest, wanted);
    const top = Math.ceil(highest / step) * step;
    const y = (value) => plot.top + plot.height - (value / top) * plot.height;
    plot.y = y;
    const parts = [];
    for (let value = 0; value <= top + step / 2; value += step) {
      parts.push(vector('line', { class: value ? 'grid' : 'axis', x1: margin.left, x2: this.width - margin.right,
        y1: y(value), y2: y(value) }),
        this.text(plot.unit(value), margin.left - 8, y(value) + 4, 'end'));
    }
    for (const [name, value] of plot.series) parts.push(...this.series(name, value, y));
    return parts;
  }

  /** A line, with an area below the first of a panel. */
  series(name, value, y) {
    if (!this.points.length) return [];
    const at = (point) => `${this.x(point.time).toFixed(1)} ${y(value(point)).toFixed(1)}`;
    const line = `M${this.points.map(at).join('L')}`;
    const parts = [vector('path', { class: `line ${name}`, d: line })];
    if (name === 'out') return parts;
    const [first, last] = [this.points[0], this.points.at(-1)].map((point) => this.x(point.time).toFixed(1));
    return [vector('path', { class: `area ${name}`, d: `${line}L${last} ${y(0)}L${first} ${y(0)}Z` }), ...parts];
  }

  text(content, x, y, anchor) {
    const node = vector('text', { x, y, 'text-anchor': anchor });
    node.textContent = content;
    return node;
  }

  // MARK: Readout

  point(event) {
    if (!this.points.length) return;
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width;
    const [start, end] = this.domain;
    const time = start + ((x - margin.left) / (this.width - margin.left - margin.right)) * (end - start);
    this.mark(this.nearest(time));
  }

  nearest(time) {
    let best = 0;
    this.points.forEach((point, index) => {
      if (Math.abs(point.time - time) < Math.abs(this.points[best].time - time)) best = index;
    });
    return best;
  }

  step(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (!(event.key in moves) || !this.points.length) return;
    const from = this.marked ?? (event.key === 'ArrowLeft' ? this.points.length : -1);
    this.mark(Math.min(this.points.length - 1, Math.max(0, from + moves[event.key])));
    event.preventDefault();
  }

  /** Shows one point, or without one the sums of the window. */
  mark(index) {
    this.marked = index;
    const point = index === null ? null : this.points[index];
    this.cursor?.replaceChildren();
    if (!point) {
      const { sumIn, sumOut } = this.sums();
      const most = this.recorded.reduce((highest, { connections }) => Math.max(highest, connections), 0);
      this.show(`last ${this.window}`, bytes(sumIn), bytes(sumOut), `at most ${most}`);
      return;
    }
    const x = this.x(point.time);
    this.cursor.append(vector('line', { x1: x, x2: x, y1: plots[0].top, y2: plots[1].top + plots[1].height }));
    for (const plot of plots) {
      for (const [name, value] of plot.series) this.cursor.append(vector('circle',
        { class: name, cx: x, cy: plot.y(value(point)), r: 3.5 }));
    }
    const time = point.time * 1000;
    this.show(this.window === '7d' || this.window === '24h' ? `${day(time)} ${minute(time)}` : clock(time),
      rate(point.in), rate(point.out), String(point.connections));
  }

  show(when, received, sent, connections) {
    const entry = (name, label, text) => element('span', { className: `entry ${name}` }, element('i'), `${label} `,
      element('b', {}, text));
    this.readout.replaceChildren(element('span', { className: 'when muted' }, when), entry('in', 'In', received),
      entry('out', 'Out', sent), entry('connections', 'Connections', connections));
  }
}
