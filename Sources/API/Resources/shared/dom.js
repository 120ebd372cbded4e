// Builds the page. Data only ever enters as text, never as markup.

/** Characters that control a terminal or turn the order of what is beside them; a line feed and a tab stay. */
const hostile = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A text that others chose, as the page shows it: one sees that something was in it, and it does nothing. */
export function shown(text) {
  return typeof text === 'string' ? text.replace(hostile, '\ufffd') : text;
}

/** An element with properties (`on…` are listeners, `data-…` and `aria-…` attributes) and children. */
export function element(name, properties, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) assign(node, key, value);
  node.append(...children.flat(2).filter((child) => child != null && child !== false).map(shown));
  return node;
}

function assign(node, key, value) {
  if (value == null || value === false) return;
  if (key === 'title' || key === 'aria-label') node.setAttribute(key, shown(value));
  else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
  else if (key in node && !key.includes('-')) node[key] = value;
  else node.setAttribute(key, value === true ? '' : value);
}

/** Text in which words between backticks are code. */
export function prose(text) {
  return (text ?? '').split('`').map((part, index) => (index % 2 ? element('code', {}, part) : part));
}

/** An SVG element; everything is an attribute. */
export function vector(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes ?? {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Writes text only where it differs, so that an unchanged row costs nothing. */
export function setText(node, text) {
  const clean = shown(text);
  if (node.textContent !== clean) node.textContent = clean;
}

export function setTitle(node, text) {
  const clean = shown(text);
  if (node.title !== clean) node.title = clean;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

const stroke = { fill: 'none', stroke: 'currentColor', 'stroke-width': '1.5', 'stroke-linecap': 'round',
  'stroke-linejoin': 'round' };

/** Drawn on 16 × 16; a filled shape where it has no `stroke`. */
const drawings = {
  disc: () => [vector('circle', { cx: 8, cy: 8, r: 5, fill: 'currentColor' })],
  half: () => [
    vector('circle', { ...stroke, cx: 8, cy: 8, r: 5 }),
    vector('path', { d: 'M8 3a5 5 0 0 1 0 10z', fill: 'currentColor' }),
  ],
  ring: () => [vector('circle', { ...stroke, cx: 8, cy: 8, r: 5, 'stroke-dasharray': '2.6 2.6' })],
  funnel: () => [vector('path', { d: 'M3 4h10l-5 8.5z', fill: 'currentColor' })],
  square: () => [vector('rect', { ...stroke, x: 3.5, y: 3.5, width: 9, height: 9, rx: 1.5 })],
  triangle: () => [
    vector('path', { ...stroke, d: 'M8 2.8 14 13H2z' }),
    vector('path', { ...stroke, d: 'M8 7v2.6M8 11.3v.1' }),
  ],
  cross: () => [
    vector('path', { d: 'M5.2 2h5.6L14 5.2v5.6L10.8 14H5.2L2 10.8V5.2z', fill: 'currentColor' }),
    vector('path', { d: 'm5.8 5.8 4.4 4.4m0-4.4-4.4 4.4', stroke: 'var(--surface)', 'stroke-width': '1.6',
      'stroke-linecap': 'round' }),
  ],
  absent: () => [
    vector('circle', { ...stroke, cx: 8, cy: 8, r: 5, 'stroke-dasharray': '2.6 2.6' }),
    vector('path', { ...stroke, d: 'M6 8h4' }),
  ],
  check: () => [
    vector('circle', { cx: 8, cy: 8, r: 7, fill: 'currentColor' }),
    vector('path', { ...stroke, d: 'm5 8.2 2.1 2.1L11 6.3', stroke: 'var(--surface)' }),
  ],
  play: () => [vector('path', { d: 'M5 3.2v9.6L12.6 8z', fill: 'currentColor' })],
  stop: () => [vector('rect', { x: 4, y: 4, width: 8, height: 8, rx: 1, fill: 'currentColor' })],
  more: () => [3.5, 8, 12.5].map((cx) => vector('circle', { cx, cy: 8, r: 1.3, fill: 'currentColor' })),
  theme: () => [
    vector('circle', { ...stroke, cx: 8, cy: 8, r: 5.5 }),
    vector('path', { d: 'M8 2.5a5.5 5.5 0 0 1 0 11z', fill: 'currentColor' }),
  ],
  key: () => [
    vector('circle', { ...stroke, cx: 5.2, cy: 10.8, r: 2.7 }),
    vector('path', { ...stroke, d: 'M7.2 8.8 13 3m-2.3 2.3 1.8 1.8M9 7l1.2 1.2' }),
  ],
  help: () => [
    vector('circle', { ...stroke, cx: 8, cy: 8, r: 6 }),
    vector('path', { ...stroke, d: 'M6.2 6.4a1.9 1.9 0 1 1 2.6 1.8c-.5.2-.8.6-.8 1.2M8 11.4v.1' }),
  ],
  back: () => [vector('path', { ...stroke, d: 'M9.5 3.5 5 8l4.5 4.5' })],
  copy: () => [
    vector('rect', { ...stroke, x: 5.5, y: 5.5, width: 8, height: 8, rx: 1.5 }),
    vector('path',
      { ...stroke, d: 'M10.5 3.5v-.2A.8.8 0 0 0 9.7 2.5H3.3a.8.8 0 0 0-.8.8v6.4a.8.8 0 0 0 .8.8h.2' }),
  ],
  eye: () => [
    vector('path', { ...stroke, d: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z' }),
    vector('circle', { ...stroke, cx: 8, cy: 8, r: 2 }),
  ],
  plus: () => [vector('path', { ...stroke, d: 'M8 3v10M3 8h10' })],
  close: () => [vector('path', { ...stroke, d: 'm4 4 8 8m0-8-8 8' })],
};

/** A small picture beside a word; it has no meaning of its own. */
export function icon(name) {
  return vector('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true', 'data-icon': name }, ...drawings[name]());
}

/** Gives a node this icon in place of the one it has. */
export function setIcon(node, name) {
  const former = node.querySelector(':scope > svg');
  if (former?.dataset.icon === name) return;
  former?.remove();
  node.prepend(icon(name));
}

/** Puts text on the clipboard; pages on plain HTTP from elsewhere have no clipboard API. */
export async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = element('textarea', { value: text, className: 'hidden-text' });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** A button that copies and says so for a moment. */
export function copyButton(label, text) {
  const button = element('button', { type: 'button', className: 'button small', onclick: copy }, label);
  async function copy() {
    await copyText(text());
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = label; }, 1200);
  }
  return button;
}

/** A row of buttons of which one is pressed. */
export function segments(label, choices, chosen, onchoice) {
  const buttons = choices.map(([value, text]) =>
    element('button', { type: 'button', 'data-value': value, 'aria-pressed': String(value === chosen),
      onclick: () => choose(value) }, text));
  function choose(value) {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.value === value));
    onchoice(value);
  }
  return element('div', { className: 'segments', role: 'group', 'aria-label': label }, ...buttons);
}
