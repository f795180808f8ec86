// What views are made of. Text is only ever set as text: nothing that came from a database becomes markup.

/** An element; attributes that are functions listen to the event of their name. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child != null && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A bar of parts, each `[class, amount]`; a picture for those who see, the label for those who hear. */
export function bar(kind, label, total, parts) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [name, value] of [['class', kind], ['viewBox', '0 0 100 1'], ['preserveAspectRatio', 'none'], ['role', 'img'], ['aria-label', label]]) svg.setAttribute(name, value);
  let from = 0;
  for (const [name, amount] of parts) {
    const width = total > 0 ? 100 * amount / total : 0;
    const rect = document.createElementNS(SVG, 'rect');
    for (const [key, value] of [['class', name], ['x', from], ['y', 0], ['width', width], ['height', 1]]) rect.setAttribute(key, value);
    svg.append(rect);
    from += width;
  }
  return svg;
}

/** A table; a column is `[title, cell of a row, class]`. */
export function table(columns, rows, empty) {
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  const head = columns.map(([title, , kind]) => h('th', { class: kind, scope: 'col' }, title));
  const body = rows.map(row => h('tr', {}, columns.map(([, cell, kind]) => h('td', { class: kind }, cell(row) ?? '–'))));
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, body)));
}

export const figures = entries => h('div', { class: 'figures' }, entries.map(([value, name]) => h('div', {}, h('b', {}, value), h('span', {}, name))));

export const card = (title, ...children) => h('section', { class: 'card' }, title && h('h2', {}, title), ...children);

export const number = value => Number(value).toLocaleString('en');

/** Minor units as people write them; points and the like have none. */
export function money(minor, currency) {
  const cents = { USD: 2, EUR: 2, GBP: 2 }[currency] ?? 0;
  return `${(minor / 10 ** cents).toLocaleString('en', { minimumFractionDigits: cents, maximumFractionDigits: cents })} ${currency}`;
}

/** A moment in the reader's own zone, to the minute; the exact one is its title. */
export function moment(text) {
  if (!text) return '–';
  const shown = new Date(text).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
  return h('time', { datetime: text, title: text }, shown);
}

/** What a field of date and time holds, as the API takes it. */
export const instant = field => (field.value ? new Date(field.value).toISOString() : null);

/** What a field of date and time shows for a moment. */
export function local(date) {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

const STATES = { running: 'on', active: 'on', up: 'on', finished: 'on', on_sale: 'on', reading: 'on', scheduled: 'soon', starting: 'soon', draining: 'soon', limited_stock: 'soon', stopped: 'off', blocked: 'off', failed: 'off', down: 'off', alarm: 'off', sold_out: 'off' };

export const badge = state => h('span', { class: `badge ${STATES[state] ?? ''}` }, state.replaceAll('_', ' '));

export function toast(text) {
  const note = h('div', { class: 'toast' }, text);
  document.querySelector('#toasts').append(note);
  setTimeout(() => note.remove(), 5_000);
}

/** Asks before something that cannot be taken back. */
export function confirmed(question, act) {
  return new Promise(resolve => {
    const close = answer => () => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = h('dialog', { cancel: () => resolve(false) }, h('h2', {}, question),
      h('div', { class: 'buttons' }, h('button', { click: close(false) }, 'Leave it'), h('button', { class: 'harm sure', click: close(true) }, act)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
