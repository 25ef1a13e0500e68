// The frame: who is signed in, which page is open, and what happens when a session ends.

import { call, get, onSessionEnd, post } from './api.js';
import { explain, h, notify } from './dom.js';
import { apps, keys, passwordForm, redirects, status } from './pages.js';
import { reference } from './reference.js';

const PAGES = { status: ['Status', status], apps: ['Apps', apps], keys: ['Keys', keys], redirects: ['Redirects', redirects], api: ['API', reference] };

const at = (id) => document.getElementById(id);
const signin = at('signin');
const said = signin.querySelector('.message');
const button = signin.querySelector('button');
let session; // {user, expiresAt} while signed in

function show(id) {
  for (const one of ['gate', 'stuck', 'desk']) at(one).hidden = one !== id;
}

// — Signed out —

function gate(note) {
  if (session) { // what was on the screen belongs to the session that ended
    session = undefined;
    at('page').replaceChildren();
    at('welcome').replaceChildren();
    notify('');
  }
  if (!at('gate').hidden) return;
  document.title = 'Sign in · Fazt';
  at('host').textContent = location.host;
  said.replaceChildren(note ?? '');
  signin.elements.password.value = '';
  show('gate');
  (signin.elements.username.value ? signin.elements.password : signin.elements.username).focus();
}

onSessionEnd(() => gate('Your session has ended. Sign in to go on.'));

signin.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  const { username, password, remember_me: remember } = signin.elements;
  said.replaceChildren();
  button.disabled = true;
  button.textContent = 'Signing in …';
  signin.setAttribute('aria-busy', 'true');
  // After wrong passwords the node takes longer and longer to answer.
  const slow = setTimeout(() => { said.replaceChildren(h('span', { class: 'calm' }, 'Still checking. After a wrong password the node takes its time.')); }, 2500);
  let wait = 0;
  try {
    await call('POST', '/api/login', { username: username.value.trim(), password: password.value, remember_me: remember.checked });
    password.value = '';
    await enter();
  } catch (error) {
    password.value = '';
    if (error.status === 429) wait = error.retryAfter ?? 30;
    explain(said, error);
  } finally {
    clearTimeout(slow);
    signin.removeAttribute('aria-busy');
    if (wait) hold(wait); else release();
    if (!at('gate').hidden) password.focus();
  }
});

function release() {
  button.disabled = false;
  button.textContent = 'Sign in';
}

/** Too many tries: the button counts down what the node asked for. */
function hold(seconds) {
  const end = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) { clearInterval(timer); release(); said.replaceChildren(); return; }
    button.textContent = `Wait ${left < 120 ? `${left} s` : `${Math.ceil(left / 60)} min`}`;
  };
  const timer = setInterval(tick, 500);
  tick();
}

// — Signed in —

async function enter() {
  const [user, state] = await Promise.all([get('/api/user/me'), get('/api/auth/status')]);
  session = { user, expiresAt: state.expiresAt };
  at('who').textContent = user.username;
  at('welcome').replaceChildren(...user.has_password === false ? [firstPassword(user)] : []);
  show('desk');
  open();
}

function firstPassword(user) {
  const card = h('section', { class: 'card offer', 'aria-labelledby': 'offer' },
    h('h2', { id: 'offer' }, 'Choose a password'),
    h('p', {}, `You came in by a link. With a password you can sign in as ${user.username} from anywhere.`),
    passwordForm('set-password-form', user, () => {
      user.has_password = true;
      card.remove();
      open();
      at('main').focus();
      notify('Password set. Use it the next time you sign in.');
    }));
  return card;
}

function open() {
  if (!session) return;
  const wanted = location.hash.replace(/^#\//, '');
  const name = Object.hasOwn(PAGES, wanted) ? wanted : 'status';
  const [title, page] = PAGES[name];
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#/${name}`) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  document.title = `${title} · Fazt`;
  at('page').replaceChildren(page(session));
}

addEventListener('hashchange', () => {
  notify('');
  open();
  scrollTo(0, 0);
  at('title')?.focus({ preventScroll: true });
});

at('skip').addEventListener('click', (event) => {
  event.preventDefault();
  at('main').focus();
});

at('signout').addEventListener('click', async () => {
  at('signout').disabled = true;
  try {
    await post('/api/logout');
    gate('You are signed out.');
  } catch (error) {
    if (session) notify(`You are still signed in. ${error.message}`);
  } finally {
    at('signout').disabled = false;
  }
});

// A page the browser kept from before must not show what a session that ended could see.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

async function start() {
  try {
    const { authenticated, username } = await get('/api/auth/status');
    if (authenticated) return await enter();
    if (username) signin.elements.username.value = username;
    gate();
  } catch (error) {
    if (error.status === 401) return gate();
    show('stuck');
    explain(at('stuck-message'), error);
  }
}

at('again').addEventListener('click', start);
start();
