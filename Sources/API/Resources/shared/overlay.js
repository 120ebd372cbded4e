// What lies over the page: dialogs, menus, short messages.

import { element, icon, setText } from './dom.js';

let messages;

/** Says something for a few seconds; errors stay until they are dismissed. */
export function tell(text, tone = 'good') {
  messages ??= document.getElementById('messages');
  const node = element('div', { className: `message ${tone}`, role: tone === 'bad' ? 'alert' : 'status' },
    icon(tone === 'bad' ? 'cross' : 'check'), element('span', {}, text),
    element('button', { type: 'button', className: 'icon-button', 'aria-label': 'Dismiss',
      onclick: () => node.remove() }, icon('close')));
  messages.append(node);
  while (messages.children.length > 3) messages.firstChild.remove();
  if (tone !== 'bad') setTimeout(() => node.remove(), 5_000);
}

/** An error with the details the API gave. */
export function tellError(error, what) {
  const details = error.details?.map((one) => `${one.path}: ${one.message}`).join('; ');
  tell([what, error.message, details].filter(Boolean).join(': '), 'bad');
}

/**
 * A modal dialog with a form; `submit` runs on its main button and keeps it open by throwing. It may show how far it
 * is with `progress(text)`, and ends early where `isOpen()` says that the dialog was closed meanwhile.
 * The focus begins at `focus`, else at Cancel where the main button does harm. Without `confirm` there is only Close.
 * Returns the dialog element; it removes itself when closed.
 */
export function dialog({ title, body, confirm, tone = '', submit, wide = false, focus, onclose }) {
  const error = element('p', { className: 'bad', role: 'alert', hidden: true });
  const main = element('button', { className: `button primary ${tone}`, hidden: !confirm }, confirm ?? '');
  const cancel = element('button', { type: 'button', className: 'button', onclick: () => node.close() },
    confirm ? 'Cancel' : 'Close');
  const form = element('form', { onsubmit: run }, element('div', { className: 'dialog-body' }, ...[body].flat(), error),
    element('footer', {}, cancel, main));
  const node = element('dialog', { className: wide ? 'wide' : '', 'aria-label': title,
    onclose: () => { node.remove(); onclose?.(); } },
    element('header', {}, element('h2', {}, title),
      element('button', { type: 'button', className: 'icon-button', 'aria-label': 'Close',
      onclick: () => node.close() }, icon('close'))),
    form);
  async function run(event) {
    event.preventDefault();
    main.disabled = true;
    error.hidden = true;
    try {
      await submit?.({ progress: (text) => setText(main, text), isOpen: () => node.open });
      node.close();
    } catch (failure) {
      setText(main, confirm);
      setText(error, failure.message);
      error.hidden = false;
      main.disabled = false;
    }
  }
  node.addEventListener('mousedown', (event) => { if (event.target === node) node.close(); });
  document.body.append(node);
  node.showModal();
  (focus ?? (tone === 'danger' || !confirm ? cancel : main)).focus();
  return node;
}

/** A menu below a button: arrows move, Escape closes and gives the focus back. */
export function menu(anchor, label, entries) {
  const items = entries.map(({ text, tone = '', run }) =>
    element('button', { type: 'button', role: 'menuitem', tabIndex: -1, className: tone,
      onclick: () => { close(); run(); } }, text));
  const node = element('div', { className: 'menu', role: 'menu', 'aria-label': label, onkeydown: keys }, ...items);
  function close() {
    removeEventListener('pointerdown', outside, true);
    removeEventListener('scroll', close);
    node.remove();
    anchor.setAttribute('aria-expanded', 'false');
    if (anchor.isConnected) anchor.focus({ preventScroll: true });
  }
  function outside(event) {
    if (!node.contains(event.target)) close();
  }
  function keys(event) {
    const at = items.indexOf(document.activeElement);
    const { length } = items;
    const steps = { ArrowDown: (at + 1) % length, ArrowUp: (at - 1 + length) % length, Home: 0, End: length - 1 };
    if (event.key in steps) items[steps[event.key]].focus();
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  document.body.append(node);
  const box = anchor.getBoundingClientRect();
  const fitsBelow = box.bottom + node.offsetHeight + 8 < innerHeight;
  node.style.top = `${fitsBelow ? box.bottom + 4 : Math.max(8, box.top - node.offsetHeight - 4)}px`;
  const farthest = document.documentElement.clientWidth - node.offsetWidth - 8;
  node.style.left = `${Math.max(8, Math.min(box.right - node.offsetWidth, farthest))}px`;
  anchor.setAttribute('aria-expanded', 'true');
  addEventListener('pointerdown', outside, true);
  addEventListener('scroll', close, { once: true, passive: true });
  items[0].focus({ preventScroll: true });
}
