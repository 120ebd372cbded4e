// Numbers, times and tunnel URLs as people read them.

/** Less than this is how long a message takes. */
const smallestSkew = 2_000;
let skew = 0;

/** What the daemon said its clock shows at this moment. */
export function setDaemonTime(time) {
  const difference = Date.parse(time) - Date.now();
  skew = Math.abs(difference) < smallestSkew ? 0 : difference;
}

/** Now, by the daemon's clock, for comparison with times that the daemon sends. */
export function daemonNow() {
  return Date.now() + skew;
}

/** `1.24 MB`: three digits, powers of 1000. */
export function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export function rate(bytesPerSecond) {
  return `${bytes(bytesPerSecond)}/s`;
}

export function count(number, noun, plural = `${noun}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? noun : plural}`;
}

/** `3d 4h`, `12m 5s`: the two largest units. */
export function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(total / 86400), 'd'], [Math.floor(total / 3600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'm'], [total % 60, 's']];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0s';
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount}${unit}`)
    .join(' ');
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minuteFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' });

export function clock(time) {
  return clockFormat.format(new Date(time));
}

export function minute(time) {
  return minuteFormat.format(new Date(time));
}

export function day(time) {
  return dayFormat.format(new Date(time));
}

/** The time of day, with the date where that is not today. */
export function moment(time) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock(date) : `${day(date)} ${minute(date)}`;
}

/** Date and time, for lists that go back for days. */
export function stamp(time) {
  const date = new Date(time);
  return `${day(date)} ${clock(date)}`;
}

/** Where those times are. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'local time';

export function ago(time, now = daemonNow()) {
  const seconds = (now - new Date(time)) / 1000;
  return seconds < 5 ? 'just now' : `${duration(seconds)} ago`;
}

export function left(time, now = daemonNow()) {
  return duration((new Date(time) - now) / 1000);
}

const mask = '••••••';

/** The URL with the part before its `@` masked, and a proxy, which may have a password. */
export function maskedURL(full) {
  const url = full.replace(/([?&]via=)[^&#]*/, `$1${mask}`);
  const start = url.indexOf('://');
  if (start < 0) return url;
  const end = url.indexOf('/', start + 3);
  const at = url.lastIndexOf('@', end < 0 ? url.length : end);
  return at > start ? `${url.slice(0, start + 3)}${mask}${url.slice(at)}` : url;
}

/** Role, addresses and parameters of a tunnel URL; never throws, since unknown things are kept in URLs. */
export function parsedURL(url) {
  const match = /^(\w+):\/\/(?:([^/]*)@)?([^/?]*)\/?([^?]*)\??(.*)$/.exec(url);
  if (!match) return { role: '', key: '', tunnel: url, targets: [], parameters: new URLSearchParams() };
  const [, role, key = '', tunnel, targets, query] = match;
  return { role, key, tunnel, targets: targets.split(',').filter(Boolean),
    parameters: new URLSearchParams(query) };
}

const modeNames = { server: { 1: 'reverse', 2: 'forward' }, client: { 1: 'single', 2: 'dual' } };
const transportNames = { 1: 'quic', 2: 'websocket', 3: 'http2' };
const tlsNames = { 1: 'TLS self-signed', 2: 'TLS' };

/** How an instance carries traffic: `server · reverse · TLS`, and its way in words. */
export function flow(instance) {
  const { role, tunnel, targets, parameters } = parsedURL(instance.url);
  const mode = modeNames[instance.type]?.[instance.mode || parameters.get('mode')] ?? 'auto';
  const kind = [role, mode, transportNames[parameters.get('type')], tlsNames[parameters.get('tls')]];
  if (parameters.get('notcp') === '1') kind.push('UDP only');
  if (parameters.get('noudp') === '1') kind.push('TCP only');
  return { kind: kind.filter(Boolean).join(' · '), mode, tunnel, targets, words: flowWords(role, mode, tunnel, targets) };
}

/** `users :8080 → tunnel :10101 → client`: who comes in where, and where it leads to. */
export function flowWords(role, mode, tunnel, targets) {
  if (!tunnel) return '';
  const here = (address) => address.replace(/^(0\.0\.0\.0|\[::\]):/, ':');
  const there = targets.join(', ');
  if (role === 'client') {
    if (mode === 'single') return `users ${here(tunnel)} → ${there}`;
    return mode === 'dual' ? `server ${tunnel} ↔ here ${there}` : `${tunnel} ↔ ${there}`;
  }
  if (mode === 'reverse') return `users ${here(targets[0] ?? '')} → tunnel ${here(tunnel)} → client`;
  return mode === 'forward' ? `client → tunnel ${here(tunnel)} → ${there}` : `tunnel ${here(tunnel)} ↔ ${there}`;
}

/** `web.yaml:12` of `/etc/nodepass/web.yaml:12`: the line is what must not be cut off. */
export function shortPlace(place) {
  return place.slice(place.lastIndexOf('/') + 1);
}

/** A log line without the colors meant for a terminal. */
export function plainText(line) {
  return line.replace(/\u001b\[[0-9;]*m/g, '').trimEnd();
}
