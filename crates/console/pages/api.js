// The API, as whoever signed in. Refuses to keep a password, and to send one change twice under two keys.

import { h, toast } from './dom.js';

const PLACE = 'guildhall.session';
const EARLY_MS = 30_000;

/** A refusal of the API, with its code and what would be right. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `the server answered ${status}`);
    this.status = status;
    this.code = body?.code;
  }

  shown() {
    const page = this.code && h('a', { href: `/docs/errors/${this.code}`, target: '_blank', rel: 'noopener' }, this.code);
    return h('div', { class: 'problem', role: 'alert' }, this.message, ' ', h('span', { class: 'small' }, page || ''));
  }
}

let session = JSON.parse(sessionStorage.getItem(PLACE) ?? 'null');
let renewing = null;
export let onSignedOut = () => {};
export const whenSignedOut = listener => { onSignedOut = listener; };

export const who = () => session;
export const may = role => session?.roles.includes(role) || session?.roles.includes('admin');

function keep(signed, email) {
  session = signed && {
    access: signed.access_token, refresh: signed.refresh_token, roles: signed.roles, email,
    until: Date.now() + signed.access_expires_in_s * 1_000,
  };
  if (session) sessionStorage.setItem(PLACE, JSON.stringify(session));
  else sessionStorage.removeItem(PLACE);
}

/** A key under which a change has one effect however often it is sent. */
export function key() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

async function send(method, path, body, idempotency) {
  const headers = { accept: 'application/json' };
  if (session) headers.authorization = `Bearer ${session.access}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (idempotency) headers['idempotency-key'] = idempotency;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { detail: 'the server did not answer: try again in a moment' });
  }
  const text = await answer.text();
  const read = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Problem(answer.status, read);
  return read;
}

/** Tokens are renewed before they end, by one request however many wait for it: a refresh token works once. */
async function renewed() {
  if (!session || Date.now() < session.until - EARLY_MS) return;
  const email = session.email;
  renewing ??= send('POST', '/v1/sessions/refresh', { refresh_token: session.refresh }, key())
    .then(signed => keep(signed, email))
    .catch(problem => { if (problem.status === 401) signedOut(); })
    .finally(() => { renewing = null; });
  await renewing;
}

function signedOut() {
  keep(null);
  onSignedOut();
}

async function ask(method, path, body, idempotency) {
  await renewed();
  try {
    return await send(method, path, body, idempotency);
  } catch (problem) {
    if (problem.status === 401 && session) {
      signedOut();
      toast('Your session has ended: sign in again.');
    }
    throw problem;
  }
}

export const get = path => ask('GET', path);

/** Of a list's pages the first; of something one may not see, or that is not there, nothing. */
export async function maybe(path, otherwise = null) {
  try {
    return await get(path);
  } catch (problem) {
    if ([403, 404].includes(problem.status)) return otherwise;
    throw problem;
  }
}

/** A change. The same key goes with it until it is answered, so that a repeat after a lost answer has no second effect. */
export function change(method, path) {
  let idempotency = key();
  return async body => {
    const done = await ask(method, path, body ?? {}, idempotency);
    idempotency = key();
    return done;
  };
}

export async function signIn(email, password) {
  keep(await send('POST', '/v1/sessions', { email, password }, key()), email);
}

export async function signOut() {
  await ask('DELETE', '/v1/sessions/current', undefined, key()).catch(() => {});
  signedOut();
}

/** A form whose fields become a body, and whose refusal is told below it. */
export function form(title, fields, label, act, options = {}) {
  const told = h('div');
  const button = h('button', { class: options.harm ? 'harm' : 'go' }, label);
  const element = h('form', {
    class: options.name ?? '',
    submit: async event => {
      event.preventDefault();
      told.replaceChildren();
      button.disabled = true;
      try {
        await act(element.elements);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        told.replaceChildren(problem.shown());
      } finally {
        button.disabled = false;
      }
    },
  }, title && h('h3', { class: 'small' }, title), h('div', { class: 'fields' }, fields, button), told);
  return element;
}

export const field = (label, attributes) => h('label', {}, label, h('input', attributes));
