// The sentence at the top of the dashboard: is everything as declared?

import { troubleKinds } from './fleet.js';
import { count, left } from '../shared/format.js';

/**
 * Decides tone, icon, title, note and the groups worth a click.
 *
 * `link` is the state of the connection, `reconcile` the daemon's revisions and rejection, `problems` its `/status`.
 */
export function verdict(totals, reconcile, problems, link, now = Date.now()) {
  if (link.state !== 'live') return notConnected(link, now);
  if (!reconcile || !totals.isLoaded) return { tone: 'idle', icon: 'ring', title: 'Reading the state',
    note: '', parts: [] };
  const parts = partsOf(totals, reconcile, problems);
  if (!reconcile.ready) return { tone: 'wait', icon: 'half', title: 'First pass in progress', note: '', parts };
  if (reconcile.storage) return { tone: 'bad', icon: 'cross', title: 'The state cannot be stored',
    note: reconcile.storage, parts };
  if (reconcile.rejection) {
    const wrong = reconcile.rejection.diagnostics.filter((one) => one.severity === 'error').length;
    return { tone: 'bad', icon: 'cross', title: 'Manifest rejected',
      note: `${count(wrong, 'error')}; the last good manifest stays in use`, parts };
  }
  const failing = totals.groups.failing;
  if (failing) return { tone: 'bad', icon: 'cross', title: `${failing.toLocaleString('en')} failing`, group: 'failing',
    note: `of ${count(totals.tunnels, 'tunnel')}`, parts };
  const unserved = new Set(problems.filter(({ kind, urgent }) => urgent && troubleKinds.includes(kind)).map(({ id }) => id));
  if (unserved.size) return { tone: 'bad', icon: 'cross', title: `${count(unserved.size, 'tunnel')} not serving`,
    group: 'trouble', note: kindsText(problems), parts };
  const invalid = reconcile.invalid?.length ?? 0;
  if (invalid) return { tone: 'warn', icon: 'triangle', title: `${count(invalid, 'declaration')} invalid`,
    note: 'Each keeps its last valid declaration', parts };
  const overridden = Math.max(totals.groups.overridden, reconcile.overridden ?? 0);
  if (overridden) {
    return { tone: 'over', icon: 'half', title: `${count(overridden, 'tunnel')} overridden`,
      group: 'overridden', note: 'Everything else is as declared', parts };
  }
  if (reconcile.observed !== reconcile.applied) return { tone: 'wait', icon: 'half', title: 'Applying the manifest',
    note: `revision ${reconcile.observed}`, parts };
  if (totals.tunnels === 0) return { tone: 'idle', icon: 'square', title: 'No tunnels',
    note: 'No tunnel is declared and none was created', parts };
  if (totals.api === totals.tunnels) return asCreated(totals, parts);
  return { tone: 'good', icon: 'check', title: 'All as declared',
    note: count(totals.tunnels - totals.api, 'declared tunnel'), parts };
}

/** Without a manifest: only those that run count as running. */
function asCreated(totals, parts) {
  const { ready } = totals.groups;
  const title = ready ? `${count(ready, 'tunnel')} running as created` : 'No tunnel is running';
  return { tone: ready ? 'good' : 'idle', icon: ready ? 'check' : 'square', title, note: 'The manifest declares none',
    parts };
}

/** `2 target down, 1 no peer`. */
function kindsText(problems) {
  const words = problems.filter(({ kind }) => troubleKinds.includes(kind)).map((one) => one.words);
  return [...new Set(words)].map((one) => `${words.filter((other) => other === one).length} ${one}`).join(', ');
}

function notConnected(link, now) {
  const title = link.state === 'connecting' ? 'Connecting' : link.isShutdown ? 'The daemon is shutting down'
    : 'Not connected';
  const note = link.until ? `${link.message}. Next try in ${left(link.until, now)}` : '';
  const tone = link.state === 'connecting' ? 'idle' : 'bad';
  return { tone, icon: tone === 'bad' ? 'cross' : 'ring', title, note, parts: [] };
}

/** Further counts, without the one that already is the title. */
function partsOf(totals, reconcile, problems) {
  const { failing, overridden, waiting, draining, stopped } = totals.groups;
  const isRejected = Boolean(reconcile.rejection);
  const parts = [];
  const certificates = problems.filter(({ kind }) => kind === 'certificate').length;
  if (certificates) parts.push({ group: 'trouble', tone: 'warn', text: `${count(certificates, 'certificate')} expiring` });
  const invalid = reconcile.invalid?.length ?? 0;
  if (invalid && (failing || isRejected)) parts.push({ group: 'failing', tone: 'bad', text: `${invalid} invalid` });
  if (failing && isRejected) parts.push({ group: 'failing', tone: 'bad', text: `${failing} failing` });
  if (overridden && (failing || isRejected)) parts.push({ group: 'overridden', tone: 'over',
    text: `${overridden} overridden` });
  if (waiting) parts.push({ group: 'waiting', tone: 'wait', text: `${waiting} connecting` });
  if (draining) parts.push({ group: 'draining', tone: 'warn', text: `${draining} draining` });
  if (stopped) parts.push({ group: 'stopped', tone: 'idle', text: `${stopped} stopped` });
  if (totals.api && totals.api < totals.tunnels) parts.push({ group: 'api', tone: 'idle',
    text: `${totals.api} created through the API` });
  return parts;
}
