// Campaigns of a game: what they bring about, how far the log was read, and what a player is told.

import { badge, card, confirmed, figures, h, instant, local, moment, number, table, toast } from './dom.js';
import { Problem, change, field, form, get, may, maybe } from './api.js';

const LOOK_MS = 2_000;

export default async function campaigns(view, game, campaign) {
  const games = (await get('/v1/games?size=100')).items;
  if (!games.length) return [h('h1', {}, 'Campaigns'), h('p', { class: 'empty' }, 'No game is registered yet.')];
  const at = game ?? games[0].id;
  const choose = h('select', { 'aria-label': 'Game', change: event => { location.hash = `#/campaigns/${event.target.value}`; } },
    games.map(one => h('option', { value: one.id, selected: one.id === at }, one.name)));
  const found = await get(`/v1/games/${at}/campaigns?size=100`);
  const row = one => h('li', {}, h('a', { href: `#/campaigns/${at}/${one.campaign}`, 'aria-current': one.campaign === campaign && 'true' },
    h('span', {}, one.title), h('span', { class: 'end' }, badge(one.state))));
  const list = found.items.length ? h('ul', { class: 'list' }, found.items.map(row)) : h('p', { class: 'empty' }, 'This game has no campaign.');
  const side = h('div', { class: 'stack' }, card(null, choose, list), await log(view, at));
  const chosen = campaign ? await detail(view, at, campaign) : h('p', { class: 'empty' }, 'Choose a campaign.');
  return [h('div', { class: 'top' }, h('h1', {}, 'Campaigns')), h('div', { class: 'split' }, side, h('div', { class: 'stack' }, chosen))];
}

/** How far the game's log was read, and what did not fit. */
async function log(view, game) {
  const shown = h('div');
  await view.every(LOOK_MS, async () => {
    const [partitions, letters] = await Promise.all([maybe(`/v1/games/${game}/partitions`), maybe(`/v1/games/${game}/dead-letters/counts`, [])]);
    if (!partitions) return shown.replaceChildren(h('p', { class: 'empty' }, 'The log is shown to operators and the game\u2019s campaign managers.'));
    const phase = row => (row.worker ? h('span', { title: row.worker.why }, badge(row.worker.phase)) : h('span', { class: 'soft' }, 'another process'));
    const unread = letters.reduce((sum, one) => sum + one.letters, 0);
    shown.replaceChildren(table([['partition', row => String(row.partition)], ['records read', row => number(row.next), 'num'], ['', phase]], partitions, 'No record came yet.'),
      h('p', { class: unread ? 'warn' : 'soft' }, `${number(unread)} records did not fit the mapping`),
      table([['reason', row => row.reason], ['records', row => number(row.letters), 'num']], letters, ''));
  });
  return card('Log', shown);
}

async function detail(view, game, id) {
  const path = `/v1/games/${game}/campaigns/${encodeURIComponent(id)}`;
  const goals = h('div', { class: 'goals' });
  let one = null;
  await view.every(LOOK_MS, async () => {
    // The document and its figures are its team's; everybody sees the campaign itself.
    one = await get(path);
    const counts = Object.fromEntries((one.counts ?? []).map(count => [count.goal, count]));
    goals.replaceChildren(table([['goal', goal => goal.title], ['rewards', goal => goal.rewards.map(reward).join(', ') || 'none'],
      ['events that counted', goal => number(counts[goal.goal]?.matched ?? 0), 'num'], ['reached', goal => number(counts[goal.goal]?.reached ?? 0), 'num']], one.goals, 'No goals.'));
  });
  const parts = [card(one.title,
    h('p', { class: 'soft' }, badge(one.state), ' ', moment(one.starts), ' – ', moment(one.ends), ` · days of ${one.zone} · version ${one.version}`),
    one.description && h('p', {}, one.description), goals,
    one.spent?.length ? h('div', {}, h('h2', {}, 'Granted'), figures(one.spent.map(spent => [number(spent.total), `${spent.unit}, ${number(spent.today)} today`]))) : null,
    one.document && h('details', {}, h('summary', {}, 'The document'), h('pre', {}, JSON.stringify(one.document, null, 2))))];
  if (may('operator') && one.state !== 'stopped') parts.push(acts(view, path, one));
  parts.push(player(game, id));
  return parts;
}

const reward = what => Object.entries(what).filter(([name]) => name !== 'quantity').map(([name, value]) => (name === 'points' ? `${number(value)} points` : `${name} ${value}${what.quantity > 1 ? ` × ${what.quantity}` : ''}`)).join(' ');

function acts(view, path, one) {
  const extend = change('POST', `${path}/extend`);
  const stop = change('POST', `${path}/stop`);
  const button = h('button', { class: 'harm stop', click: async () => {
    if (!await confirmed(`Stop \u201c${one.title}\u201d for good? Nothing counts from then on; what was reached can still be claimed.`, 'Stop it')) return;
    try {
      await stop();
      toast('The campaign is stopped.');
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
    }
    view.again();
  } }, 'Stop the campaign');
  const later = form('Let it end later', [field('New end', { type: 'datetime-local', name: 'ends', required: true, value: local(new Date(new Date(one.ends).getTime() + 7 * 86_400_000)) })], 'Extend', async fields => {
    await extend({ ends: instant(fields.ends) });
    toast('The campaign ends later.');
    view.again();
  }, { name: 'extend' });
  return card('Change', later, h('p', {}, button));
}

function player(game, campaign) {
  const shown = h('div');
  const ask = form('How far a player is', [field('Player', { name: 'player', required: true, placeholder: 'as the game names them' })], 'Look', async fields => {
    const at = encodeURIComponent(fields.player.value);
    const told = await get(`/v1/games/${game}/campaigns/${encodeURIComponent(campaign)}/players/${at}`);
    shown.replaceChildren(h('pre', {}, JSON.stringify(told, null, 2)));
  }, { name: 'player' });
  return card('Player', ask, shown);
}
