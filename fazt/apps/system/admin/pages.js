// Status, apps, keys, redirects. Each page is a function that gives its section and fills it by itself.

import { call, get, post, remove } from './api.js';
import { action, bytes, card, confirmed, copyButton, duration, explain, field, form, h, list, message, notify, panel, plural, quiet, when } from './dom.js';

const id = encodeURIComponent;
const badge = (word, kind = '') => h('span', { class: `badge ${kind}` }, word);
const typed = (name, testid, options) => h('input', { name, testid, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', ...options });

/** `hello` → the address of that app; no slug → the bare domain. */
const address = (slug, path = '/') => `${location.protocol}//${slug ? `${slug}.` : ''}${location.host.replace(/^admin\./, '')}${path}`;

// — Status —

const mood = (state) => /^(ok|up|on|healthy|running|ready|active|started|listening)$/i.test(state) ? 'good'
  : /fail|error|down|unhealthy|broken|critical/i.test(state) ? 'bad'
    : /degraded|warn|late|lock|pause|retry/i.test(state) ? 'warn' : 'calm';
const dot = (kind) => h('span', { class: `dot ${kind}`, 'aria-hidden': 'true' });
const words = (value) => typeof value === 'number' ? value.toLocaleString() : typeof value === 'object' ? JSON.stringify(value) : String(value);
const title = (key) => key.charAt(0).toUpperCase() + key.slice(1).replaceAll('_', ' ');
const facts = (pairs) => h('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== undefined && value !== null)
  .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value instanceof Node ? value : words(value)))));

export function status({ user, expiresAt }) {
  const health = h('section', { class: 'card' }, quiet('Loading …'));
  const parts = card('Parts of the node');
  const asOf = quiet();

  const fill = async () => {
    const answers = await Promise.allSettled([get('/api/kernel/status'), get('/api/system/health')]);
    const [kernel, system] = answers.map((one) => one.value ?? {});
    const failed = answers.filter((one) => one.reason).map((one) => {
      const said = message();
      explain(said, one.reason);
      return said;
    });
    const subsystems = Object.entries(kernel.subsystems ?? {});
    const troubled = subsystems.filter(([, part]) => /warn|bad/.test(mood(part.state))).length;
    const state = system.status ?? (kernel.version ? 'running' : 'unknown');
    const good = mood(state) === 'good';
    const uptime = kernel.uptime_seconds ?? system.uptime_seconds;
    health.replaceChildren(...failed,
      h('p', { class: 'headline' }, dot(good && troubled ? 'warn' : mood(state)), h('b', { testid: 'health' }, good ? 'Running' : title(state)), kernel.name,
        troubled > 0 && badge(troubled === 1 ? '1 part needs a look' : `${troubled} parts need a look`, 'warn')),
      facts([
        ['Running for', uptime >= 0 ? duration(uptime) : undefined],
        ['Since', kernel.started_at && when(kernel.started_at)],
        ['Version', kernel.version ?? system.version],
        ['Mode', kernel.mode ?? system.mode],
        ['Apps', kernel.apps],
        ['Memory', system.memory?.used_mb && `${words(Math.round(system.memory.used_mb))} MB`],
        ['Data file', system.database?.size_bytes && bytes(system.database.size_bytes)],
        ['Stored at', system.database?.path && h('code', {}, system.database.path)],
        ['Node id', kernel.node_id && h('code', {}, kernel.node_id)],
        ...Object.entries(system.runtime ?? {}).map(([key, value]) => [title(key), value]),
      ]));
    parts.hidden = !subsystems.length;
    parts.replaceChildren(parts.firstChild, h('ul', { class: 'rows', testid: 'subsystems' }, subsystems.map(([name, part]) => h('li', {}, dot(mood(part.state)),
      h('div', { class: 'grow' }, h('b', {}, name), part.detail && h('p', {}, words(part.detail))), badge(words(part.state), mood(part.state))))));
    asOf.textContent = `As of ${new Date().toLocaleTimeString()}`;
  };

  parts.hidden = true;
  fill();
  const account = card('You', facts([['Signed in as', user.username], ['Role', user.role], ['Session ends', expiresAt && when(expiresAt)]]));
  if (user.has_password) {
    const change = h('details', {}, h('summary', {}, 'Change password'), passwordForm('change-password-form', user, (element) => {
      element.reset();
      change.open = false;
      change.firstChild.focus();
      notify('Password changed.');
    }));
    account.append(change);
  }
  return panel('status-panel', 'Status', undefined,
    h('p', { class: 'bar' }, asOf, action('Refresh', async () => { await fill(); notify('Refreshed.'); }, { testid: 'refresh' })), health, parts, account);
}

/** Sets the first password, or replaces one. */
export function passwordForm(testid, user, done) {
  const fresh = h('input', { name: 'password', type: 'password', autocomplete: 'new-password', required: true, testid: 'new-password' });
  const show = h('input', { type: 'checkbox', onchange: () => { fresh.type = show.checked ? 'text' : 'password'; } });
  return form({ testid, button: user.has_password ? 'Change password' : 'Set password', buttonId: 'save-password', work: async ({ password, current }, element) => {
    await post('/api/user/password', current === undefined ? { password } : { password, current });
    fresh.type = 'password';
    done(element);
  } },
  h('input', { name: 'username', autocomplete: 'username', value: user.username, hidden: true, readonly: true }),
  user.has_password && field('Current password', h('input', { name: 'current', type: 'password', autocomplete: 'current-password', required: true, testid: 'current-password' })),
  field('New password', fresh),
  h('label', { class: 'check' }, show, ' Show it'));
}

// — Apps —

export function apps() {
  const row = (app) => {
    const name = app.title || app.slug || app.id;
    const system = app.id.startsWith('app_system_');
    const item = h('li', { testid: 'app-row' });
    const live = () => item.replaceChildren(
      h('div', { class: 'grow' }, h('b', {}, name),
        h('p', {}, app.slug ? h('a', { href: address(app.slug), rel: 'noopener' }, new URL(address(app.slug)).host) : h('code', {}, app.id)),
        h('p', {}, 'Made ', when(app.created_at))),
      ...[app.visibility, system && 'system'].filter(Boolean).map((word) => badge(word)),
      app.status && app.status !== 'active' ? badge(app.status, 'warn') : '',
      system ? '' : action('Delete', async () => { await remove(`/api/apps/${id(app.id)}`); gone(); }, { class: 'plain risky', 'aria-label': `Delete ${name}`, testid: 'delete-app' }));
    const gone = () => {
      const undo = action('Undo', async () => {
        await post(`/api/apps/${id(app.id)}/restore`);
        all.shrink(-1);
        live();
        item.querySelector('button').focus();
        notify(`${name} is back.`);
      }, { class: 'primary', 'aria-label': `Undo: bring back ${name}`, testid: 'undo-delete' });
      all.shrink(1);
      item.replaceChildren(h('div', { class: 'grow' }, h('b', { class: 'gone' }, name), h('p', {}, 'Deleted: it no longer answers.')), undo);
      undo.focus();
      notify(`${name} is deleted. You can undo it.`);
    };
    live();
    return item;
  };
  const all = list({ label: 'Apps', empty: 'No apps yet.', row, load: (offset) => call('GET', `/api/apps?limit=100${offset ? `&offset=${offset}` : ''}`) });
  all.reload();
  const work = async (values, element) => {
    const slug = values.slug.toLowerCase();
    await post('/api/apps', { slug, title: values.title || undefined });
    element.reset();
    await all.reload();
    notify(`${slug} is made.`);
  };
  return panel('apps-panel', 'Apps', 'Each app has a name of its own below this node’s domain.',
    card('New app', form({ testid: 'new-app-form', button: 'Create app', buttonId: 'create-app', work },
      field('Name', typed('slug', 'new-app-slug', { required: true, maxlength: 63, placeholder: 'hello', pattern: '[A-Za-z0-9]([A-Za-z0-9\\-]*[A-Za-z0-9])?', title: 'Letters, digits and dashes; no dash at either end' })),
      field('Title (optional)', h('input', { name: 'title', autocomplete: 'off', testid: 'new-app-title' })))),
    all.element);
}

// — Keys —

const SCOPES = { '*': 'Everything', read: 'Read only', deploy: 'Deploy apps', admin: 'Administer' };

export function keys() {
  const secret = h('div', { class: 'secret', 'aria-live': 'polite' });
  const row = (key) => {
    const name = key.name || key.id;
    const item = h('li', { testid: 'key-row' },
      h('div', { class: 'grow' }, h('b', {}, name),
        h('p', {}, h('code', {}, `${key.prefix ?? ''}…`), ' · made ', when(key.created_at), key.last_used_at ? [' · last used ', when(key.last_used_at)] : ' · never used')),
      (key.scopes ?? []).map((scope) => badge(SCOPES[scope] ?? scope)));
    item.append(confirmed('Revoke', { name, question: 'Whatever uses it stops working.', testid: 'revoke-key', work: async () => {
      await remove(`/api/keys/${id(key.id)}`);
      if (secret.dataset.id === String(key.id)) secret.replaceChildren();
      all.drop(item);
      notify(`The key ${name} is revoked.`);
    } }));
    return item;
  };
  const all = list({ label: 'Keys', empty: 'No keys yet.', row, load: (offset) => call('GET', `/api/keys${offset ? `?offset=${offset}` : ''}`) });
  all.reload();
  const work = async ({ name, scope }, element) => {
    secret.replaceChildren();
    const made = await post('/api/keys', { name, scopes: [scope] });
    const text = h('code', { tabindex: '0', testid: 'key-secret' }, made.key);
    secret.dataset.id = made.id;
    secret.replaceChildren(h('p', {}, h('b', {}, 'Copy this key now. '), 'The node keeps only a fingerprint of it: it is never shown again.'),
      h('div', { class: 'copy' }, text, copyButton(text, 'copy-key')));
    element.reset();
    await all.reload();
  };
  return panel('keys-panel', 'Keys', 'A key lets a program, or the fazt command on another computer, act for you.',
    card('New key', form({ testid: 'new-key-form', button: 'Create key', buttonId: 'create-key', work },
      field('Name', typed('name', 'new-key-name', { required: true, maxlength: 100, placeholder: 'laptop' })),
      field('Scope', h('select', { name: 'scope', testid: 'new-key-scope' }, Object.entries(SCOPES).map(([value, label]) => h('option', { value }, label))))),
    secret),
    all.element);
}

// — Redirects —

export function redirects() {
  const row = (one) => {
    const item = h('li', { testid: 'redirect-row' },
      h('div', { class: 'grow' }, h('b', {}, h('a', { href: address('', `/r/${id(one.slug)}`), rel: 'noopener noreferrer' }, `/r/${one.slug}`)),
        h('p', { class: 'wrap' }, '→ ', one.destination),
        h('p', {}, plural(Number(one.click_count ?? 0), 'click'), ' · made ', when(one.created_at))),
      [one.tags ?? []].flat().filter(Boolean).map((tag) => badge(tag)));
    item.append(confirmed('Delete', { name: one.slug, question: 'The link stops working.', testid: 'delete-redirect', work: async () => {
      await remove(`/api/redirects/${id(one.id)}`);
      all.drop(item);
      notify(`/r/${one.slug} is deleted.`);
    } }));
    return item;
  };
  const all = list({ label: 'Redirects', empty: 'No redirects yet.', row, load: (offset) => call('GET', `/api/redirects${offset ? `?offset=${offset}` : ''}`) });
  all.reload();
  const work = async ({ slug, destination }, element) => {
    await post('/api/redirects', { slug, destination });
    element.reset();
    await all.reload();
    notify(`/r/${slug} is made.`);
  };
  return panel('redirects-panel', 'Redirects', 'Short links: /r/name leads to an address of your choice and counts the clicks.',
    card('New redirect', form({ testid: 'new-redirect-form', button: 'Create redirect', buttonId: 'create-redirect', work },
      field('Name', typed('slug', 'new-redirect-slug', { required: true, maxlength: 100, placeholder: 'talk', pattern: '[A-Za-z0-9_\\-]+', title: 'Letters, digits, dashes and underscores' })),
      field('Leads to', typed('destination', 'new-redirect-destination', { type: 'url', required: true, maxlength: 2048, placeholder: 'https://…' })))),
    all.element);
}
