// What goes on now, at a glance.

import { badge, card, h, moment, money, number, table } from './dom.js';
import { get, maybe } from './api.js';

export default async function overview() {
  const [limited, games, imports, settled, fleet] = await Promise.all([
    get('/v1/products?state=limited_stock&size=5'), get('/v1/games?size=20'), maybe('/v1/imports', []),
    maybe('/v1/settlements?size=7', { items: [] }), maybe('/v1/registry/instances', { changed: [] }),
  ]);
  const running = (await Promise.all(games.items.map(async game => {
    const found = await maybe(`/v1/games/${game.id}/campaigns?state=running&size=10`, { items: [] });
    return found.items.map(campaign => ({ ...campaign, game: game.id }));
  }))).flat();
  const copies = await Promise.all(limited.items.map(product => maybe(`/v1/stocks/${product.id}`)));
  const sale = limited.items.map((product, at) => ({ ...product, stock: copies[at] }));
  return [
    h('div', { class: 'top' }, h('h1', {}, 'Overview')),
    h('div', { class: 'grid' },
      card('Limited stock', list(sale, product => [`#/sales/${product.id}`, product.name, left(product.stock)], 'Nothing is sold in limited stock.')),
      card('Campaigns running', list(running, campaign => [`#/campaigns/${campaign.game}/${campaign.campaign}`, campaign.title, h('span', { class: 'soft small' }, campaign.game)], 'No campaign runs.')),
      card('Settled', table([['day', row => row.day_start.slice(0, 10), 'keep'], ['payments', row => number(row.payments), 'num'], ['kept', row => money(row.net_minor, row.currency), 'num']],
        settled.items, 'Nothing is settled yet: a payment is once its refund window is over.')),
      card('Imports', table([['file', row => row.file.split('/').pop()], ['', row => badge(row.status)], ['added', row => number(row.counts.added), 'num'], ['changed', row => number(row.counts.changed), 'num'], ['bad', row => number(row.counts.bad), 'num'], ['when', row => moment(row.started_at)]],
        imports.slice(0, 5), 'No catalogue was imported.')),
      card('Processes', table([['process', row => h('span', { title: row.id }, row.metadata.name ?? row.id)], ['serves', row => row.services.join(', ')], ['', row => badge(row.status)]],
        processes(fleet.changed), 'One process alone: nobody is registered.')),
    ),
  ];
}

/** A row for each process: the registry has one for each of its services. */
function processes(instances) {
  const byId = new Map();
  for (const instance of instances) {
    if (!byId.has(instance.id)) byId.set(instance.id, { ...instance, services: [] });
    byId.get(instance.id).services.push(instance.service);
  }
  return [...byId.values()].sort((a, b) => (a.metadata.name ?? a.id).localeCompare(b.metadata.name ?? b.id));
}

const left = stock => (stock ? h('span', {}, h('b', {}, number(stock.available)), h('span', { class: 'soft small' }, ` left of ${number(stock.registered)}`)) : 'no copies yet');

function list(items, row, empty) {
  if (!items.length) return h('p', { class: 'empty' }, empty);
  return h('ul', { class: 'list' }, items.map(item => {
    const [href, title, end] = row(item);
    return h('li', {}, h('a', { href }, h('span', {}, title), h('span', { class: 'end' }, end)));
  }));
}
