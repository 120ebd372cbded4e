// Server-sent events through fetch(), because EventSource cannot send a key.

import { base, errorOf, keyHeaders, session } from './api.js';

/** The daemon says something every 15 s; a stream silent for this long is dead. */
const silenceLimit = 45_000;
const firstDelay = 1_000;
const longestDelay = 30_000;

/** Takes text as it arrives and returns the events that are complete. */
export class EventParser {
  constructor() {
    this.rest = '';
    this.event = { type: '', data: [] };
    this.lastID = '';
  }

  feed(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    return lines.map((line) => this.line(line)).filter(Boolean);
  }

  line(line) {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.event.type = value;
    if (name === 'data') this.event.data.push(value);
    if (name === 'id' && !value.includes('\0')) this.lastID = value;
    return null;
  }

  dispatch() {
    const { type, data } = this.event;
    this.event = { type: '', data: [] };
    return data.length ? { type: type || 'message', data: data.join('\n'), id: this.lastID } : null;
  }
}

/**
 * One stream that stays open: it resumes after the last event it saw and backs off where it cannot connect.
 *
 * `onevent({type, data, id})` with `data` parsed; `onstate(name, detail)` with `connecting`, `live`,
 * `waiting` (`{until, message}`), `refused` (the key's role does not allow it) or `closed`. `tail` asks for that many earlier events where there is none to resume
 * from.
 */
export class EventStream {
  constructor(path, { onevent, onstate = () => {}, tail = 0 }) {
    this.path = path;
    this.tail = tail;
    this.onevent = onevent;
    this.onstate = onstate;
    this.lastID = '';
    this.failures = 0;
    this.abort = null;
  }

  open() {
    if (this.abort) return;
    this.abort = new AbortController();
    this.run(this.abort.signal);
  }

  close() {
    this.abort?.abort();
    this.abort = null;
    this.onstate('closed');
  }

  /** Tries at once instead of waiting for the next turn. */
  retry() {
    this.wake?.();
  }

  async run(signal) {
    while (!signal.aborted) {
      this.onstate('connecting');
      let failure = { message: 'The connection ended' };
      try {
        await this.follow(signal);
      } catch (error) {
        failure = error;
      }
      if (signal.aborted) return;
      if (failure.status === 401) {
        this.close();
        session.dispatchEvent(new Event('unauthorized'));
        return;
      }
      if (failure.status === 403) {
        this.close();
        this.onstate('refused');
        return;
      }
      await this.pause(failure, signal);
    }
  }

  async follow(signal) {
    const attempt = new AbortController();
    const watchdog = new Watchdog(() => attempt.abort());
    const headers = { ...keyHeaders(), Accept: 'text/event-stream' };
    if (this.lastID) headers['Last-Event-ID'] = this.lastID;
    try {
      const query = this.tail && !this.lastID ? `?tail=${this.tail}` : '';
      const response = await fetch(base + this.path + query,
        { headers, cache: 'no-store', signal: AbortSignal.any([signal, attempt.signal]) });
      if (!response.ok) throw await errorOf(response);
      this.onstate('live');
      await this.read(response.body, watchdog);
    } finally {
      watchdog.end();
      attempt.abort();
    }
  }

  async read(body, watchdog) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      watchdog.rest();
      this.failures = 0;
      for (const event of parser.feed(value)) {
        if (event.id) this.lastID = event.id;
        this.onevent({ ...event, data: JSON.parse(event.data) });
      }
    }
  }

  /** Longer after each failure, a little different each time, and never shorter than the daemon asks. */
  async pause(failure, signal) {
    const backoff = Math.min(longestDelay, firstDelay * 2 ** this.failures) * (0.75 + Math.random() / 2);
    const delay = Math.max(backoff, (failure.retryAfter ?? 0) * 1000);
    this.failures += 1;
    this.onstate('waiting', { until: Date.now() + delay, message: failure.status ? failure.message
      : 'The daemon does not answer' });
    await new Promise((resume) => {
      this.wake = resume;
      setTimeout(resume, delay);
      signal.addEventListener('abort', resume, { once: true });
    });
  }
}

/** Calls once when nothing has happened for the limit. */
class Watchdog {
  constructor(bark) {
    this.bark = bark;
    this.rest();
  }

  rest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.bark, silenceLimit);
  }

  end() {
    clearTimeout(this.timer);
  }
}
