// How fast a tunnel was in the last five minutes: one value for every five seconds of the clock.

import { daemonNow } from './format.js';

/** The daemon reports the counters of tunnels with traffic every five seconds. */
export const stepSeconds = 5;
const shownSteps = 60;
/** One more is kept: the step under way is shown once it has ended, or every line would end at zero. */
const length = shownSteps + 1;

export function slotOf(time) {
  return Math.floor(time / (stepSeconds * 1000));
}

/** In and out, aligned to the clock, so that all rows of a table move together. */
export class Series {
  constructor() {
    this.end = slotOf(daemonNow());
    this.values = { in: new Array(length).fill(0), out: new Array(length).fill(0) };
    this.version = 0;
  }

  get in() {
    return this.values.in.slice(0, shownSteps);
  }

  get out() {
    return this.values.out.slice(0, shownSteps);
  }

  /** The last step that has ended. */
  get last() {
    this.advance();
    return [this.values.in[shownSteps - 1], this.values.out[shownSteps - 1]];
  }

  /** Moves on to now: a tunnel without reports has no traffic. */
  advance() {
    const steps = slotOf(daemonNow()) - this.end;
    if (steps <= 0) return;
    this.end += steps;
    for (const values of Object.values(this.values)) {
      values.splice(0, steps);
      while (values.length < length) values.push(0);
    }
    this.version += 1;
  }

  /** Rates between two times; reports come a little late, so a step without one of its own has its neighbor's. */
  put(from, to, received, sent) {
    this.advance();
    const last = slotOf(to);
    for (let slot = Math.min(slotOf(from) + 1, last); slot <= last; slot += 1) this.set(slot, received, sent);
  }

  /** What the daemon recorded before the page was opened: bytes of each step, and when it ended. */
  restore(times, received, sent, step) {
    this.advance();
    times.forEach((time, index) => this.set(slotOf(time * 1000) - 1, received[index] / step, sent[index] / step));
  }

  set(slot, received, sent) {
    const index = length - 1 - (this.end - slot);
    if (index < 0 || index >= length) return;
    this.values.in[index] = received;
    this.values.out[index] = sent;
    this.version += 1;
  }
}
