// Which view is shown, and to whom. Each view is a module of its own.

import { h, toast } from './dom.js';
import { Problem, field, form, signIn, signOut, who, whenSignedOut } from './api.js';
import overview from './overview.js';
import sales from './sales.js';
import campaigns from './campaigns.js';
import accounts from './accounts.js';
import database from './database.js';
import audit from './audit.js';

const SECTIONS = [['', 'Overview', overview], ['sales', 'Sales', sales], ['campaigns', 'Campaigns', campaigns],
  ['accounts', 'Accounts', accounts], ['database', 'Database', database], ['audit', 'Audit', audit]];

const main = document.querySelector('#main');
let shown = { stop() {} };
let turn = 0;

/** Shows what the address names; a view that comes after another was asked for is dropped. */
async function show() {
  const mine = ++turn;
  shown.stop();
  shown = { stop() {} };
  head();
  if (!who()) return main.replaceChildren(signInPage());
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const section = SECTIONS.find(([at]) => at === name) ?? SECTIONS[0];
  document.title = `${section[1]} · Guildhall console`;
  const view = { stops: [], stop() { this.stops.forEach(stop => stop()); }, again: show };
  /** Runs work now and every so often while the view is shown and the page is looked at. */
  view.every = async (ms, work) => {
    const timer = setInterval(() => { if (!document.hidden) work().catch(() => {}); }, ms);
    view.stops.push(() => clearInterval(timer));
    await work();
  };
  try {
    const content = await section[2](view, ...rest.filter(Boolean));
    if (mine !== turn) return view.stop();
    shown = view;
    main.replaceChildren(...[content].flat());
  } catch (problem) {
    view.stop();
    if (mine !== turn || !who()) return;
    main.replaceChildren(problem instanceof Problem ? problem.shown() : h('div', { class: 'problem' }, String(problem)));
  }
  main.focus({ preventScroll: true });
}

function head() {
  const nav = document.querySelector('#nav');
  const at = location.hash.replace(/^#\/?/, '').split('/')[0];
  nav.hidden = !who();
  nav.replaceChildren(...SECTIONS.map(([name, title]) => h('a', { href: `#/${name}`, 'aria-current': name === at && 'page' }, title)));
  const out = h('button', { class: 'plain sign-out', click: async () => { await signOut(); } }, 'Sign out');
  document.querySelector('#who').replaceChildren(...(who() ? [h('span', {}, who().email), out] : [h('a', { href: '/docs' }, 'API')]));
}

function signInPage() {
  const email = field('E-mail address', { type: 'email', name: 'email', required: true, autocomplete: 'username', autofocus: true });
  const password = field('Password', { type: 'password', name: 'password', required: true, autocomplete: 'current-password' });
  const entered = form(null, [email, password], 'Sign in', async fields => {
    await signIn(fields.email.value, fields.password.value);
    if (!who().roles.some(role => ['operator', 'store_manager', 'admin'].includes(role))) toast('This account runs nothing here: most pages will refuse it.');
    await show();
  }, { name: 'enter' });
  return h('div', { class: 'card sign-in' }, h('h1', {}, 'Guildhall console'),
    h('p', { class: 'soft' }, 'For those who run the store and its campaigns. An account comes from ', h('code', {}, 'guildhall admin create-user'), '.'), entered);
}

whenSignedOut(show);
addEventListener('hashchange', show);
show();
