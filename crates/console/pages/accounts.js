// One account: who it is, what it holds, and what an operator may do about it.

import { badge, card, h, moment, money, number, table, toast } from './dom.js';
import { change, field, form, get, may, maybe } from './api.js';

const REASONS = ['fraud', 'abuse', 'compromised', 'request', 'resolved', 'other'];

export default async function accounts(view, id) {
  const find = change('POST', '/v1/accounts/find');
  const search = form(null, [field('E-mail address, or the account\u2019s id', { name: 'wanted', required: true, placeholder: 'jane@example.com' })], 'Find', async fields => {
    const wanted = fields.wanted.value.trim();
    const user = wanted.includes('@') ? (await find({ email: wanted })).user : wanted;
    location.hash = `#/accounts/${encodeURIComponent(user)}`;
  }, { name: 'find' });
  return [h('div', { class: 'top' }, h('h1', {}, 'Accounts')), h('div', { class: 'stack' }, card(null, search), id ? await account(view, id) : [])];
}

async function account(view, id) {
  const path = `/v1/accounts/${encodeURIComponent(id)}`;
  const one = await get(path);
  const [balances, library, noted] = await Promise.all([maybe(`${path}/wallet`, []), maybe(`${path}/library`, { items: [] }), maybe(`/v1/audit?subject=${encodeURIComponent(`account/${id}`)}&size=10`, { items: [] })]);
  const entries = await Promise.all(balances.map(balance => maybe(`${path}/wallet/entries?currency=${balance.currency}&size=10`, { items: [] })));
  const about = card(one.name ?? 'An erased account', h('p', {}, badge(one.state), ' ', one.email_hint ?? '', ' · ', one.roles.join(', ').replaceAll('_', ' ') || 'no roles'),
    h('p', { class: 'soft small' }, h('code', {}, one.user), ' · made ', moment(one.created_at)), may('operator') && one.state !== 'erased' ? gate(view, path, one) : null);
  const columns = [['when', row => moment(row.at)], ['why', row => row.reason], ['from or to', row => row.counterparty], ['amount', row => money(row.amount_minor, row.currency), 'num'], ['held after', row => money(row.balance_after_minor, row.currency), 'num']];
  const wallet = card('Wallet', table([['currency', row => row.currency], ['held', row => money(row.balance_minor, row.currency), 'num']], balances, 'Nothing was ever charged.'),
    entries.map(page => h('div', {}, h('h2', {}, 'The last entries'), table(columns, page.items, ''))), may('operator') || may('points_provider') ? posting(view, path) : null);
  return [h('div', { class: 'grid' }, about, card('Library', table([['product', row => h('a', { href: `#/sales/${row.product}` }, row.name ?? `product ${row.product}`)], ['since', row => moment(row.acquired_at ?? row.at)]], library.items, 'It owns nothing.'))), wallet,
    card('What was done about it', table([['when', row => moment(row.at)], ['act', row => row.act], ['by', row => row.actor ?? 'the machine'], ['facts', row => h('code', {}, JSON.stringify(row.detail))]], noted.items, 'Nothing is noted.'))];
}

function gate(view, path, one) {
  const blocks = one.state === 'active';
  const act = change('POST', `${path}/${blocks ? 'block' : 'unblock'}`);
  const reason = h('label', {}, 'Reason', h('select', { name: 'reason' }, REASONS.map(name => h('option', { value: name, selected: name === (blocks ? 'abuse' : 'resolved') }, name))));
  return form(null, [reason], blocks ? 'Block' : 'Let in again', async fields => {
    await act({ reason: fields.reason.value });
    toast(blocks ? 'Blocked: its sessions have ended.' : 'It may sign in again.');
    view.again();
  }, { harm: blocks, name: 'gate' });
}

function posting(view, path) {
  const [credit, debit] = [change('POST', `${path}/wallet/credits`), change('POST', `${path}/wallet/debits`)];
  const which = h('label', {}, 'What', h('select', { name: 'what' }, h('option', { value: 'credit' }, 'charge'), h('option', { value: 'debit' }, 'take')));
  const fields = [which, field('Minor units', { type: 'number', name: 'amount', min: 1, required: true }), field('Currency', { name: 'currency', value: 'POINTS', required: true }), field('Reference', { name: 'reference', required: true, placeholder: 'ticket 4711' })];
  return form('Charge or take', fields, 'Post', async elements => {
    const body = { amount_minor: Number(elements.amount.value), currency: elements.currency.value, reference: elements.reference.value };
    const entry = await (elements.what.value === 'credit' ? credit : debit)(body);
    toast(`Done: it holds ${number(entry.balance_after_minor)} ${entry.currency} now.`);
    view.again();
  }, { name: 'posting' });
}
