// Charts as inline SVG, and the tooltip that reads out their values.

'use strict';

// ---- Elements. Strings become text nodes, never HTML. ----

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// An element in the page says what the namespace is, so that no address stands here.
function svg(name, attributes = {}, ...children) {
  const space = document.getElementById('svg').namespaceURI;
  return fill(document.createElementNS(space, name), attributes, children);
}

// ---- Numbers as C writes them, which the sentences of a report do ----

// toFixed, but of two texts that are equally near, the even one. Only a multiple of
// 2^-(digits + 1) can lie in the middle.
function fixed(number, digits) {
  const scaled = number * 10 ** digits;
  const isMiddle = number * 2 ** (digits + 1) % 1 === 0 && scaled % 1 === 0.5;
  const even = 2 * Math.round(scaled / 2);
  return (isMiddle ? even / 10 ** digits : number).toFixed(digits);
}

// So many digits that count, without zeros at the end: "0.05", "1000", "2e-07".
function general(number, digits) {
  const [mantissa, power] = number.toExponential(digits - 1).split('e');
  if (power >= -4 && power < digits) return String(Number(number.toPrecision(digits)));
  const sign = power < 0 ? '-' : '+';
  return `${Number(mantissa)}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
}

// ---- Axes ----

// 1, 2 or 5 times a power of ten, so that at most 6 steps make the width.
function stepFor(width) {
  for (let power = 10 ** Math.floor(Math.log10(width / 6)); ; power *= 10) {
    for (const factor of [1, 2, 5]) if (width / (factor * power) <= 6) return factor * power;
  }
}

function linearTicks(low, high) {
  if (low === high) {
    const room = low === 0 ? 0.5 : Math.abs(low) / 10;
    [low, high] = [low - room, high + room];
  }
  const step = stepFor(high - low), ticks = [];
  for (let i = Math.floor(low / step); i <= Math.ceil(high / step); ++i) ticks.push(i * step);
  return ticks;
}

function logarithmicTicks(low, high) {
  const first = Math.floor(Math.log10(low));
  const last = Math.max(Math.ceil(Math.log10(high)), first + 1);
  const step = Math.ceil((last - first) / 6), ticks = [];
  for (let i = first; i < last + step; i += step) ticks.push(10 ** i);
  return ticks;
}

// Holds all finite values (those above 0 if it is logarithmic) and ends at round numbers.
// `place` goes from 0 at the lower end to 1 at the upper one, and stays within.
function makeAxis(values, isLogarithmic) {
  let shown = values.filter((value) => Number.isFinite(value) && (!isLogarithmic || value > 0));
  if (shown.length === 0) shown = isLogarithmic ? [1, 10] : [0, 1];
  const ticks = (isLogarithmic ? logarithmicTicks : linearTicks)(
      Math.min(...shown), Math.max(...shown));
  const low = ticks[0], high = ticks[ticks.length - 1];
  const place = (value) => {
    if (!(value > low)) return 0;  // NaN too.
    if (value >= high) return 1;
    return isLogarithmic ? Math.log(value / low) / Math.log(high / low)
                         : (value - low) / (high - low);
  };
  return {ticks, place};
}

// ---- Charts ----

// About as wide as a character of the small text.
const CHARACTER_WIDTH = 6.5;

function label(x, y, anchor, text, css = 'faint') {
  return svg('text', {x, y, 'text-anchor': anchor, class: css}, text);
}

function line(x1, x2, y1, y2, pen = {}) {
  return svg('line', {x1, x2, y1, y2, stroke: 'var(--line)', ...pen});
}

// A shape whose text the tooltip shows. The arrow keys go from one to the next by row and
// column.
function point(shape, attributes, text, row, col) {
  return svg(shape, {...attributes, class: 'point', role: 'img', 'aria-label': text,
                     tabindex: -1, 'data-at': `${row},${col}`});
}

// A bar below each name; bars are {name, value, text}. A value that is no number has none.
// Places are shares of the width, so that text keeps its size on any screen.
function barChart(title, bars, isLogarithmic) {
  const rowHeight = 38, bottom = rowHeight * bars.length + 4;
  const values = bars.map((bar) => bar.value);
  const axis = makeAxis(isLogarithmic ? values : [0, ...values], isLogarithmic);
  const last = axis.ticks.length - 1;
  return svg('svg', {class: 'bars', width: '100%', height: bottom + 22, role: 'img',
                     'aria-label': title},
      axis.ticks.map((tick, i) => {
        const x = `${100 * axis.place(tick)}%`;
        const anchor = i === 0 ? 'start' : i === last ? 'end' : 'middle';
        return [line(x, x, 0, bottom), label(x, bottom + 16, anchor, general(tick, 6))];
      }).flat(),
      bars.map((bar, i) => {
        const y = rowHeight * i;
        const texts = [label(0, y + 15, 'start', bar.name, ''),
                       label('100%', y + 15, 'end', bar.text, '')];
        if (Number.isNaN(bar.value)) return texts;
        const width = `${Math.max(0.3, 100 * axis.place(bar.value))}%`;
        return [...texts, svg('rect', {x: 0, y: y + 20, width, height: 12, rx: 2,
                                       fill: 'var(--accent)'})];
      }).flat());
}

const PENS = [{stroke: 'var(--accent)'},
              {stroke: 'var(--second)', 'stroke-dasharray': '7 3'},
              {stroke: 'var(--third)', 'stroke-dasharray': '2 3'},
              {stroke: 'var(--fourth)', 'stroke-dasharray': '9 3 2 3'}];

// The first and the last place, and as many between them as have room, the same number of
// places apart.
function labelledPlaces(labels, x) {
  const room = 16 + CHARACTER_WIDTH * Math.max(0, ...labels.map((text) => text.length));
  const last = labels.length - 1;
  let step = 1;
  while (step < last && (last % step !== 0 || x(step) - x(0) < room)) ++step;
  return labels.map((_, place) => place).filter((place) => place % step === 0);
}

// Up to four series, each {name, values}, over places with labels, on a logarithmic axis. A
// value that is no number leaves a gap. Each line has its own dashes, so that it can be told
// without colours.
function lineChart({title, xName, yName, labels, series}) {
  const left = 72, right = 740, top = 34, bottom = 230, middle = (left + right) / 2;
  const axis = makeAxis(series.flatMap(({values}) => values), true);
  const x = (place) => labels.length < 2 ? middle
                                         : left + (right - left) * place / (labels.length - 1);
  const y = (value) => bottom - (bottom - top) * axis.place(value);
  const drawn = series.map(({name, values}, row) => {
    const isStart = (i) => i === 0 || !Number.isFinite(values[i - 1]);
    const path = values.map((value, i) => Number.isFinite(value)
        ? `${isStart(i) ? 'M' : 'L'}${x(i)} ${y(value)}` : '').join(' ');
    const points = values.map((value, i) => Number.isFinite(value)
        ? point('circle', {cx: x(i), cy: y(value), r: 3, fill: PENS[row].stroke},
                `${name}, ${xName} ${labels[i]}: ${general(value, 6)}`, row, i) : null);
    const start = left + 165 * row;
    return [svg('path', {d: path, fill: 'none', 'stroke-width': 1.8, ...PENS[row]}), ...points,
            line(start, start + 26, bottom + 56, bottom + 56, {'stroke-width': 2, ...PENS[row]}),
            label(start + 32, bottom + 60, 'start', name, '')];
  });
  return svg('svg', {class: 'lines', viewBox: '0 0 760 312', role: 'group', 'aria-label': title},
      label(left, 16, 'start', title, ''), label(right, 16, 'end', yName),
      axis.ticks.flatMap((tick) => [
        line(left, right, y(tick), y(tick)),
        label(left - 8, y(tick) + 4, 'end', general(tick, 6)),
      ]),
      labelledPlaces(labels, x).map((i) => label(x(i), bottom + 18, 'middle', labels[i])),
      label(middle, bottom + 36, 'middle', xName), drawn.flat());
}

const CELL_HEIGHT = 20, HEAT_TOP = 22;

function shade(x, y, width, height, share) {
  return {x, y, width, height, fill: 'var(--accent)', 'fill-opacity': fixed(share, 3),
          stroke: 'var(--line)', 'stroke-width': 0.5};
}

// What the shades mean, below a heat map.
function heatScale(left, y, text) {
  return [label(left - 8, y + 10, 'end', '0'),
          [0, 1, 2, 3, 4].map((i) => svg('rect', shade(left + 22 * i, y, 22, 12, i / 4))),
          label(left + 118, y + 10, 'start', text)].flat();
}

// A row for each {layer, values}, a cell for each number: the nearer it is to the largest, the
// stronger is its colour; 0 is the lightest. A number stands in its cell where there is room.
function heatMap({title, columnName, unit, rows, format}) {
  const finite = rows.flatMap(({values}) => values).filter(Number.isFinite);
  const largest = finite.reduce((most, value) => Math.max(most, value), 0);
  const columns = rows.reduce((most, {values}) => Math.max(most, values.length), 1);
  const names = rows.map(({layer}) => `layer ${layer}`);
  const left = 12 + CHARACTER_WIDTH * Math.max(columnName.length,
                                               ...names.map((name) => name.length));
  const width = Math.min(36, 660 / columns), bottom = HEAT_TOP + CELL_HEIGHT * rows.length;
  const every = (count, most) => Math.max(1, Math.ceil(count / most));
  const middle = (col) => left + width * (col + 0.5);
  const cell = (row, col, value) => {
    if (!Number.isFinite(value)) return [];
    const y = HEAT_TOP + CELL_HEIGHT * row, number = format(value);
    const share = largest > 0 ? value / largest : 0;
    const text = `${names[row]}, ${columnName} ${col}: ${number} ${unit}`;
    const rect = point('rect', shade(left + width * col, y, width, CELL_HEIGHT, share), text,
                       row, col);
    if (width < 32 || number.length > 5) return [rect];
    return [rect, label(middle(col), y + 14, 'middle', number, share > 0.68 ? 'cell on' : 'cell')];
  };
  const scaleText = `${format(largest)} ${unit}`;
  const whole = 1 + Math.max(left + width * columns,
                             left + 118 + CHARACTER_WIDTH * scaleText.length);
  const numbers = [...Array(columns).keys()].filter((col) => col % every(columns, 24) === 0);
  return svg('svg', {class: 'heat', viewBox: `0 0 ${whole} ${bottom + 32}`, width: whole,
                     height: bottom + 32, role: 'group', 'aria-label': title},
      label(left - 8, 14, 'end', columnName),
      numbers.map((col) => label(middle(col), 14, 'middle', String(col))),
      names.map((name, row) => row % every(rows.length, 40) === 0
          ? label(left - 8, HEAT_TOP + CELL_HEIGHT * row + 14, 'end', name) : null),
      rows.flatMap(({values}, row) => values.flatMap((value, col) => cell(row, col, value))),
      heatScale(left, bottom + 12, scaleText));
}

// ---- The tooltip, for pointers, touch screens and keys ----

const tooltip = html('div', {id: 'tooltip', role: 'tooltip', hidden: ''});

function showTooltip(event) {
  if (!event.target.matches('.point')) return;
  tooltip.textContent = event.target.getAttribute('aria-label');
  tooltip.hidden = false;
  const cell = event.target.getBoundingClientRect(), box = tooltip.getBoundingClientRect();
  const most = document.documentElement.clientWidth - box.width - 4;
  const left = Math.max(4, Math.min(most, (cell.left + cell.right - box.width) / 2));
  const above = cell.top - box.height - 6;
  tooltip.style.left = `${scrollX + left}px`;
  tooltip.style.top = `${scrollY + (above < 0 ? cell.bottom + 6 : above)}px`;
}

function hideTooltip() {
  tooltip.hidden = true;
}

function moveByKey(event) {
  if (event.key === 'Escape') hideTooltip();
  const steps = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
  const step = steps[event.key];
  if (!step || !event.target.matches('.point')) return;
  const [row, col] = event.target.dataset.at.split(',').map(Number);
  const next = event.target.ownerSVGElement.querySelector(
      `[data-at="${row + step[0]},${col + step[1]}"]`);
  if (!next) return;
  event.preventDefault();
  next.scrollIntoView({block: 'nearest', inline: 'nearest'});
  next.focus({preventScroll: true});
}

// The tab key reaches the first point of each chart; arrow keys go on from there.
function enableTooltip() {
  document.body.append(tooltip);
  for (const chart of document.querySelectorAll('svg')) {
    chart.querySelector('.point')?.setAttribute('tabindex', 0);
  }
  for (const kind of ['pointerover', 'focusin']) document.addEventListener(kind, showTooltip);
  for (const kind of ['pointerout', 'focusout']) document.addEventListener(kind, hideTooltip);
  document.addEventListener('keydown', moveByKey);
}
