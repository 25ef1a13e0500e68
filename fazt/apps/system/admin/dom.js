// Small pieces every page is made of. Data only ever becomes text, never markup.

/** An element: `class`, `testid`, listeners (`onclick`) and attributes; what is absent or false is left out. */
export function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name === 'testid' ? 'data-testid' : name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const quiet = (...children) => h('span', { class: 'quiet' }, ...children);
export const card = (title, ...children) => h('section', { class: 'card' }, h('h2', {}, title), ...children);
export const message = () => h('p', { class: 'message', role: 'alert' });

/** A page's frame: heading, what it is about, and the content. */
export const panel = (testid, title, about, ...content) => h('section', { testid, 'aria-labelledby': 'title' },
  h('h1', { id: 'title', tabindex: '-1' }, title), about && h('p', { class: 'about' }, about), ...content);

/** Says in `place` what went wrong and what to do about it. */
export function explain(place, error) {
  place.replaceChildren(h('b', {}, error.message), error.hint ? ` ${error.hint}` : '', error.status >= 500 && error.requestId ? quiet(`Request ${error.requestId}`) : '');
  if (error.status === undefined) throw error; // a fault of this page, not an answer: let the console have it
}

/** One polite sentence at the foot of the page. */
let fading;
export function notify(text) {
  const place = document.getElementById('notice');
  clearTimeout(fading);
  place.textContent = text;
  fading = setTimeout(() => { place.textContent = ''; }, 6000);
}

export const field = (label, control) => h('label', {}, label, control);

/** A form that waits while `work(values, form)` runs, says what went wrong and points at the field it was. */
export function form({ testid, button, buttonId, work }, ...content) {
  const said = message();
  const submit = h('button', { class: 'primary', testid: buttonId }, button);
  const element = h('form', { testid, method: 'post' }, ...content, submit, said);
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    const values = Object.fromEntries([...new FormData(element)].map(([name, value]) => [name, name.match(/password|current/) ? value : value.trim()]));
    for (const control of element.elements) control.removeAttribute('aria-invalid');
    said.replaceChildren();
    submit.disabled = true;
    try {
      await work(values, element);
    } catch (error) {
      const wrong = element.elements.namedItem(error.details?.field ?? '');
      wrong?.setAttribute?.('aria-invalid', 'true');
      wrong?.focus?.();
      explain(said, error);
    } finally {
      submit.disabled = false;
    }
  });
  return element;
}

/** A button that runs `work` once at a time and says in the notice when it fails. */
export function action(label, work, options) {
  const button = h('button', { type: 'button', class: 'plain', ...options, onclick: async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      notify([error.message, error.hint].filter(Boolean).join(' '));
    } finally {
      button.disabled = false;
    }
  } }, label);
  return button;
}

/** A button for what cannot be undone: asks once more, in place. */
export function confirmed(label, { name, question, testid, work }) {
  const place = h('span', { class: 'actions' });
  const close = () => { place.replaceChildren(ask); ask.disabled = false; ask.focus(); };
  const ask = action(label, () => {
    const keep = action('Keep', close, { testid: 'keep' });
    place.replaceChildren(h('span', { class: 'ask' }, question), action(label, work, { class: 'danger', testid: 'confirm' }), keep);
    keep.focus();
  }, { class: 'plain risky', 'aria-label': `${label} ${name}`, testid });
  place.addEventListener('keydown', (event) => { if (event.key === 'Escape' && !ask.isConnected) close(); });
  place.append(ask);
  return place;
}

/** Copies the text of `source`; where the browser has no clipboard for this page, selects it instead. */
export function copyButton(source, testid = 'copy') {
  return action('Copy', async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      copied = document.execCommand('copy');
    }
    notify(copied ? 'Copied.' : 'Selected: press Ctrl+C or ⌘C to copy.');
  }, { testid });
}

/** A list filled page by page: `load(offset)` gives `{data, meta?}`, `row(item)` an <li>. */
export function list({ label, empty, load, row }) {
  const rows = h('ul', { class: 'rows', 'aria-label': label, tabindex: '-1' });
  const foot = h('div', { class: 'foot' }, quiet('Loading …'));
  const said = message();
  let offset = 0;

  const settle = () => { if (!rows.children.length) foot.replaceChildren(h('p', { class: 'quiet', testid: 'empty' }, empty)); };
  const more = async (fresh) => {
    said.replaceChildren();
    try {
      const { data, meta } = await load(fresh ? 0 : offset);
      if (fresh) { rows.replaceChildren(); offset = 0; }
      rows.append(...data.map(row));
      offset += data.length;
      foot.replaceChildren();
      if (meta?.has_more && data.length) foot.append(quiet(`${offset} of ${meta.total}`), action('Show more', () => more(false), { testid: 'more' }));
      settle();
    } catch (error) {
      foot.replaceChildren(action('Try again', () => more(fresh)));
      explain(said, error);
    }
  };
  return {
    element: h('div', { class: 'card' }, rows, foot, said),
    reload: () => more(true),
    drop(item) { item.remove(); offset -= 1; settle(); rows.focus(); },
    shrink(by) { offset -= by; },
  };
}

// Words for figures.

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
export function when(ms) {
  const date = new Date(ms ?? NaN);
  return Number.isNaN(date.getTime()) ? '–' : h('time', { datetime: date.toISOString() }, dates.format(date));
}

export function bytes(count) {
  const step = count < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** step).toLocaleString(undefined, { maximumFractionDigits: step ? 1 : 0 })} ${['B', 'KB', 'MB', 'GB', 'TB'][step]}`;
}

export const plural = (count, unit) => `${count.toLocaleString()} ${unit}${count === 1 ? '' : 's'}`;

export function duration(total) {
  const parts = [[total / 86400, 'day'], [(total / 3600) % 24, 'hour'], [(total / 60) % 60, 'minute'], [total % 60, 'second']].map(([count, unit]) => [Math.floor(count), unit]);
  const first = parts.findIndex(([count]) => count > 0);
  return first < 0 ? 'less than a second' : parts.slice(first, first + 2).filter(([count]) => count).map(([count, unit]) => plural(count, unit)).join(' ');
}
