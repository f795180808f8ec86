// Every privileged act, the newest first.

import { card, h, moment, table } from './dom.js';
import { field, form, get } from './api.js';

export default async function audit() {
  const shown = h('div', { class: 'acts' });
  const more = h('button', { click: () => load() }, 'Earlier ones');
  let [rows, next, filter] = [[], null, ''];
  async function load() {
    const page = await get(`/v1/audit?size=50${filter}${next ? `&cursor=${encodeURIComponent(next)}` : ''}`);
    rows = rows.concat(page.items);
    next = page.next ?? null;
    more.hidden = !next;
    const who = row => (row.actor ? h('a', { href: `#/accounts/${row.actor}`, class: 'mono' }, row.actor.slice(0, 13)) : h('span', { class: 'soft' }, 'the machine, or a key'));
    shown.replaceChildren(table([['when', row => moment(row.at), 'keep'], ['act', row => row.act, 'keep'], ['to', row => h('code', {}, row.subject)], ['by', who], ['facts', row => h('code', {}, JSON.stringify(row.detail))]], rows, 'Nothing is noted.'));
  }
  const search = form(null, [field('About', { name: 'subject', placeholder: 'account/0199…, product/2001, key/0199…' })], 'Filter', async fields => {
    [rows, next] = [[], null];
    filter = fields.subject.value ? `&subject=${encodeURIComponent(fields.subject.value.trim())}` : '';
    await load();
  }, { name: 'filter' });
  await load();
  return [h('div', { class: 'top' }, h('h1', {}, 'Audit')), h('div', { class: 'stack' }, card(null, search), card(null, shown, more))];
}
