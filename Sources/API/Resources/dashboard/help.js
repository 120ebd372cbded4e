// What the keys do and what the signs mean.

import { element, icon } from '../shared/dom.js';
import { dialog } from '../shared/overlay.js';
import { phases } from './fleet.js';

const keys = [
  ['/', 'Filter'], ['↑ ↓', 'Move through the list, with Page up and down, Home and End, too'], ['Enter', 'Open the tunnel'],
  ['Space', 'Select the tunnel, for an action on several'], ['← →', 'Move to the buttons of a row, and back'],
  ['Esc', 'Leave a field, a menu, a dialog or a tunnel'], ['?', 'This help'],
];
const signs = {
  invalid: 'declared with a mistake, and never valid', failed: 'cannot run until something is changed',
  backoff: 'failed, tries again by itself', absent: 'declared, and deleted by an override',
  draining: 'stops when its connections have finished', connecting: 'waits for its other end',
  stopped: 'is not to run', ready: 'serves',
};
const words = [
  ['In, out', 'Bytes that this end reads from, and writes to, users or targets on its own side'],
  ['Overridden', 'Changed by a request against the manifest, until it is released or expires'],
  ['Problems', 'Tunnels that run and do not serve: target down, no other end, certificate'],
];

export function openHelp() {
  if (document.querySelector('dialog')) return;
  const list = (rows) => element('dl', { className: 'facts help' },
    ...rows.flatMap(([term, text]) => [element('dt', {}, term), element('dd', {}, text)]));
  dialog({ title: 'Keys and signs', wide: true, body: [
    list(keys.map(([name, text]) => [element('kbd', {}, name), text])),
    list(Object.entries(signs).map(([phase, text]) => [element('span', { className: `phase ${phases[phase].tone}` },
      icon(phases[phase].shape), element('span', {}, phase)), text])),
    list(words)] });
}
