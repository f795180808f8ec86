// Why is it slow: what statements cost, what would help, what is wrong.

import { bar, card, h, number, table } from './dom.js';
import { get } from './api.js';

const SHOWN = 15;
const ms = value => (value == null ? '–' : `${value.toFixed(value < 10 ? 2 : 0)} ms`);

export default async function database() {
  const [statements, advice, findings] = await Promise.all([get('/v1/insight/statements'), get('/v1/insight/advice'), get('/v1/insight/findings')]);
  const name = row => h('details', {}, h('summary', { class: 'mono' }, row.name), h('pre', {}, row.text), row.plan ? h('pre', {}, row.plan.text.join('\n')) : null);
  const share = row => h('span', {}, bar('share meter', `${row.share.toFixed(1)} %`, 100, [['sold', row.share], ['left', 100 - row.share]]), h('span', { class: 'small' }, `${row.share.toFixed(1)} %`));
  const serves = row => row.serves.map(one => `${one.name}: cost ${number(Math.round(one.cost_before))} → ${number(Math.round(one.cost_after))}`).join('; ');
  return [
    h('div', { class: 'top' }, h('h1', {}, 'Database'), h('span', { class: 'soft' }, statements.engine)),
    h('div', { class: 'stack' },
      card('What would help', table([['index', row => h('code', {}, row.ddl)], ['for', serves], ['', row => h('code', {}, `guildhall doctor apply ${row.id}`)]], advice.items, 'No index that is not there would help.'),
        advice.notes.map(note => h('p', { class: 'small soft' }, note))),
      card('What takes the time', table([['statement', name], ['share', share], ['calls', row => number(row.calls), 'num'], ['mean', row => ms(row.mean_ms), 'num'], ['p99', row => ms(row.p99_ms), 'num'], ['rows', row => number(row.rows), 'num']], statements.items.slice(0, SHOWN), 'Nothing ran lately.'),
        statements.notes.map(note => h('p', { class: 'small soft' }, note))),
      card('What else is wrong', table([['kind', row => row.kind.replaceAll('-', ' '), 'keep'], ['about', row => h('code', {}, row.about)], ['', row => row.says], ['what would be right', row => row.right]], findings.items, 'Nothing was found.'))),
  ];
}
