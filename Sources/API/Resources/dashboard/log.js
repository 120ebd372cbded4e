// A tunnel's log as it is written.

import { element, segments, setText } from '../shared/dom.js';
import { clock, plainText } from '../shared/format.js';
import { EventStream } from '../shared/stream.js';

const lineLimit = 1_000;
const ranks = { debug: 0, info: 1, event: 1, warn: 2, warning: 2, error: 3 };
const levels = [['debug', 'All'], ['info', 'Info'], ['warn', 'Warnings'], ['error', 'Errors']];

/** Keeps the last lines, follows new ones, and holds still while paused. */
export class LogView {
  constructor(id) {
    this.lines = [];
    this.held = [];
    this.isPaused = false;
    this.isFollowing = true;
    this.level = 'debug';
    this.filter = element('input', { type: 'search', placeholder: 'Find in log', 'aria-label': 'Find in log',
      oninput: () => this.redraw() });
    this.pauseButton = element('button', { type: 'button', className: 'button small', 'aria-pressed': 'false',
      onclick: () => this.pause() }, 'Pause');
    this.followButton = element('button', { type: 'button', className: 'button small', 'aria-pressed': 'true',
      onclick: () => this.follow(!this.isFollowing) }, 'Follow');
    this.status = element('span', { className: 'muted' }, '');
    this.list = element('ol', { className: 'log-lines', tabIndex: 0, 'aria-label': 'Log lines',
      onscroll: () => this.scrolled() });
    this.empty = element('p', { className: 'empty' }, 'No lines yet');
    this.node = element('section', { className: 'card log' },
      element('header', {}, element('h2', {}, 'Log'), this.status,
        segments('Level', levels, this.level, (level) => { this.level = level; this.redraw(); }),
        this.followButton, this.pauseButton),
      element('div', { className: 'find' }, this.filter), this.empty, this.list);
    this.stream = new EventStream(`/instances/${id}/logs?tail=200&follow=1`, {
      onevent: ({ data }) => this.take(data),
      onstate: (name, detail) => this.connection(name, detail),
    });
    this.stream.open();
  }

  close() {
    this.stream.close();
    clearTimeout(this.timer);
  }

  connection(name, detail) {
    const texts = { connecting: 'connecting…', live: '', waiting: detail?.message ?? '', closed: 'closed' };
    setText(this.status, texts[name]);
  }

  /** A stream that opened again begins with lines that are already here. */
  take(line) {
    const last = this.held.at(-1) ?? this.lines.at(-1);
    if (last && line.time < last.time) return;
    if (last && line.time === last.time && line.message === last.message) return;
    this.held.push(line);
    if (this.held.length > lineLimit) this.held.shift();
    if (this.isPaused) setText(this.pauseButton, `Resume (${this.held.length})`);
    else this.timer ??= setTimeout(() => this.flush(), 100);
  }

  flush() {
    this.timer = null;
    this.lines.push(...this.held);
    const surplus = Math.max(0, this.lines.length - lineLimit);
    this.lines.splice(0, surplus);
    const visible = this.held.filter((line) => this.shows(line)).map(lineNode);
    this.held = [];
    this.list.append(...visible);
    while (this.list.children.length > lineLimit) this.list.firstChild.remove();
    this.settle();
  }

  redraw() {
    this.list.replaceChildren(...this.lines.filter((line) => this.shows(line)).map(lineNode));
    this.settle();
  }

  settle() {
    this.empty.hidden = this.list.children.length > 0;
    setText(this.empty, this.lines.length ? 'No line matches' : 'No lines yet');
    if (this.isFollowing) this.list.scrollTop = this.list.scrollHeight;
  }

  shows(line) {
    const rank = ranks[line.level.toLowerCase()] ?? 1;
    return rank >= ranks[this.level] && line.message.toLowerCase().includes(this.filter.value.toLowerCase());
  }

  pause() {
    this.isPaused = !this.isPaused;
    this.pauseButton.setAttribute('aria-pressed', String(this.isPaused));
    setText(this.pauseButton, this.isPaused ? 'Resume' : 'Pause');
    if (!this.isPaused) this.flush();
  }

  follow(isFollowing) {
    this.isFollowing = isFollowing;
    this.followButton.setAttribute('aria-pressed', String(isFollowing));
    if (isFollowing) this.list.scrollTop = this.list.scrollHeight;
  }

  /** Who scrolls up wants to read; who scrolls to the end wants to follow. */
  scrolled() {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 24;
    if (isAtEnd !== this.isFollowing) this.follow(isAtEnd);
  }
}

function lineNode(line) {
  const level = line.level.toLowerCase();
  return element('li', { className: `level-${level}` },
    element('time', { dateTime: line.time, title: line.time }, clock(line.time)),
      element('span', { className: 'level' }, level), element('span', { className: 'text' }, plainText(line.message)));
}
