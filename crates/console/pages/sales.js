// Products, their prices and copies: what a store manager does before a sale, and looks at during one.

import { badge, bar, card, confirmed, figures, h, instant, local, moment, money, number, toast } from './dom.js';
import { change, field, form, get, may, maybe } from './api.js';

const LOOK_MS = 1_000;
const HOUR_MS = 3_600_000;

export default async function sales(view, id) {
  const results = h('div');
  const search = h('input', { type: 'search', id: 'find', placeholder: 'Name, developer or genre', 'aria-label': 'Find a product', input: () => find() });
  let asked = 0;
  async function find() {
    const mine = ++asked;
    const text = search.value.trim();
    const found = await get(text ? `/v1/products/search?q=${encodeURIComponent(text)}&size=15` : '/v1/products?state=limited_stock&size=15');
    if (mine !== asked) return;
    const row = product => h('li', {}, h('a', { href: `#/sales/${product.id}`, 'aria-current': String(product.id) === id && 'true' },
      h('span', {}, product.name), h('span', { class: 'end' }, badge(product.state), ' ', money(product.price_minor, product.currency))));
    results.replaceChildren(found.items.length ? h('ul', { class: 'list' }, found.items.map(row))
      : h('p', { class: 'empty' }, text ? 'Nothing is like that.' : 'Nothing is sold in limited stock; find a product by its name.'));
  }
  await find();
  const side = card(null, search, results);
  const chosen = id ? await product(view, id) : h('p', { class: 'empty' }, 'Choose a product to see its copies, set a sale, or limit it.');
  return [h('div', { class: 'top' }, h('h1', {}, 'Sales')), h('div', { class: 'split' }, side, h('div', { class: 'stack' }, chosen))];
}

async function product(view, id) {
  const path = `/v1/products/${encodeURIComponent(id)}`;
  const shown = await get(path);
  const limited = ['limited_stock', 'sold_out'].includes(shown.state) || Boolean(await maybe(`/v1/stocks/${id}`));
  const about = card(shown.name,
    h('p', { class: 'soft' }, badge(shown.state), ` product ${shown.id} · `, shown.developers.join(', ') || 'no developer named'),
    figures([[money(shown.price_minor, shown.currency), 'price now'], [money(shown.regular_price_minor, shown.currency), 'without a sale'],
      ...(shown.price_points == null ? [] : [[number(shown.price_points), 'points']])]));
  const parts = [about];
  if (limited) parts.push(await copies(view, id));
  if (may('store_manager') || may('operator')) parts.push(sale(view, path, shown), limit(view, path, shown, limited));
  return parts;
}

/** The copies of a product, looked at every second: what a sale looks like from here. */
async function copies(view, id) {
  const shown = h('div', { class: 'copies' });
  const path = `/v1/stocks/${encodeURIComponent(id)}`;
  const seen = [];
  async function look() {
    const stock = await maybe(path, { registered: 0, available: 0, held: 0, sold: 0, by_hand: 0 });
    seen.push([performance.now(), stock.sold]);
    if (seen.length > 11) seen.shift();
    const [[before, soldBefore], [now, sold]] = [seen[0], seen.at(-1)];
    const rate = now > before ? (sold - soldBefore) / (now - before) * 1_000 : 0;
    const told = `${stock.sold} sold, ${stock.held} held, ${stock.available} left of ${stock.registered}`;
    const legend = [['sold', 'sold'], ['held', 'held for payments'], ['left', 'left']];
    shown.replaceChildren(
      figures([[number(stock.available), 'left'], [number(stock.held), 'held'], [number(stock.sold), 'sold'], [number(stock.registered), 'registered'], [rate.toFixed(1), 'sold a second']]),
      bar('meter', told, stock.registered, [['sold', stock.sold], ['held', stock.held], ['left', stock.available]]),
      h('p', { class: 'small soft' }, legend.map(([kind, name]) => h('span', {}, h('i', { class: `key ${kind}` }), `${name} \u00a0 `))));
  }
  await view.every(LOOK_MS, look);
  const act = (label, what, send, name) => form(label, [field('Copies', { type: 'number', name: 'quantity', min: 1, required: true, value: 10 })], what, async fields => {
    await send({ quantity: Number(fields.quantity.value) });
    toast(`${what}: done`);
    await look();
  }, { name });
  if (!may('store_manager') && !may('operator')) return card('Copies', shown);
  return card('Copies', shown, h('div', { class: 'small-forms' }, act('More copies', 'Register', change('POST', path), 'register'),
    act('Sold elsewhere', 'Take out', change('POST', `${path}/decrease`), 'decrease'), act('Back again', 'Put back', change('POST', `${path}/increase`), 'increase')));
}

function sale(view, path, shown) {
  const now = shown.sale;
  const begins = new Date(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS);
  const fields = [field('Percent off', { type: 'number', name: 'percent', min: 1, max: 100, required: true, value: now?.percent ?? 20 }),
    field('From', { type: 'datetime-local', name: 'from', required: true, value: local(begins) }),
    field('Until', { type: 'datetime-local', name: 'until', required: true, value: local(new Date(begins.getTime() + 72 * HOUR_MS)) })];
  const set = change('PUT', `${path}/sale`);
  const remove = change('DELETE', `${path}/sale`);
  const taken = h('button', { class: 'harm', click: async () => {
    if (!await confirmed('Take the sale away?', 'Take it away')) return;
    await remove();
    toast('The sale is gone.');
    view.again();
  } }, 'Take it away');
  return card('Price', now ? h('p', {}, `${now.percent} % off from `, moment(now.starts_at), ' until ', moment(now.ends_at), ' \u00a0 ', taken) : h('p', { class: 'soft' }, 'There is no sale.'),
    form(now ? 'Another sale in its place' : 'Set a sale', fields, 'Set', async elements => {
      await set({ percent: Number(elements.percent.value), starts_at: instant(elements.from), ends_at: instant(elements.until) });
      toast('The sale is set: it is shown at once and counts from its start.');
      view.again();
    }, { name: 'sale' }));
}

function limit(view, path, shown, limited) {
  const set = change('PUT', `${path}/limit`);
  const box = h('label', { class: 'tick' }, h('input', { type: 'checkbox', name: 'limited', checked: limited }), 'Copies are counted');
  const each = field('Copies one player may buy (0: no limit)', { type: 'number', name: 'player', min: 0, value: shown.player_limit ?? 0, required: true });
  return card('Limited stock', form(null, [box, each], 'Save', async fields => {
    await set({ limited: fields.limited.checked, player_limit: Number(fields.player.value) });
    toast(fields.limited.checked ? 'Copies are counted: register some.' : 'Sold without a limit.');
    view.again();
  }, { name: 'limit' }));
}
