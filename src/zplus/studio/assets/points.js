// Points of the face: a click sets a handle, the next its target. A brush paints what may move.
import {leaveTo, place} from './stage.js';

const part = id => document.getElementById(id);
const marks = part('marks'), SVG = 'http://www.w3.org/2000/svg';
const NEAR = 0.03, BRUSH = 0.05, STEP = 0.01;  // parts of the picture's side
let side = 1, on = false, painting = false, pairs = [], strokes = [], start = null, cursor = null, now = [];

export const isOn = () => on;
export const given = () => ({points: pairs.map(pair => pair.map(x => x * side)), strokes: strokes.map(one => one.map(x => x * side))});

export function open(resolution) {
  side = resolution;
  on = true;
  draw();
}

export function close() {
  on = painting = false;
  [pairs, strokes, start, cursor, now] = [[], [], null, null, []];
  draw();
}

export function clear() { [pairs, start, now] = [[], null, []]; draw(); }

// handles: where they are while the face follows, in pixels of the crop.
export function follow(handles) { now = handles.map(one => one.map(x => x / side)); draw(); }

function add(x, y) {
  if (x < 0 || y < 0 || x > 1 || y > 1) return;
  if (start) {
    if (Math.hypot(x - start[0], y - start[1]) > 0.004) pairs.push([...start, x, y]);
    start = null;
  } else start = [x, y];
  draw();
}

function shape(kind, values) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  return element;
}

function dot(x, y, fill) {
  return shape('circle', {cx: x, cy: y, r: 0.013, fill, stroke: '#fff', 'stroke-width': 0.004});
}

function arrow([x, y, tx, ty]) {
  const line = {x1: x, y1: y, x2: tx, y2: ty};
  return [shape('line', {...line, stroke: '#000', 'stroke-width': 0.01, opacity: 0.6}), shape('line', {...line, stroke: '#fff', 'stroke-width': 0.005}),
    dot(x, y, '#d7263d'), dot(tx, ty, '#1b6fe0')];
}

function draw() {
  marks.toggleAttribute('hidden', !on);
  part('dragging').hidden = !on;
  part('points').setAttribute('aria-pressed', on);
  part('brush').setAttribute('aria-pressed', painting);
  const paint = shape('g', {opacity: 0.35, fill: '#ffd400'});
  paint.append(...strokes.map(([x, y, r]) => shape('circle', {cx: x, cy: y, r})));
  marks.setAttribute('viewBox', '0 0 1 1');
  marks.replaceChildren(paint, ...pairs.flatMap(arrow), ...(start ? [dot(...start, '#d7263d')] : []), ...now.map(one => dot(...one, '#ffd400')));
  if (cursor) marks.append(shape('circle', {cx: cursor[0], cy: cursor[1], r: 0.02, fill: 'none', stroke: '#fff', 'stroke-width': 0.006}));
  part('go').disabled = !pairs.length || now.length > 0;
  part('clear').disabled = !pairs.length && !start;
  part('unpaint').disabled = !strokes.length;
  const words = start ? 'Now the place where it is to go.' : `${pairs.length} point${pairs.length === 1 ? '' : 's'}`;
  marks.setAttribute('aria-label', `Points of the face: ${words} Arrow keys move a cross, Enter sets a point.`);
}

function paintAt(event) {
  const [x, y] = place(event), old = strokes.at(-1);
  if (old && Math.hypot(x - old[0], y - old[1]) < BRUSH / 3) return;
  strokes.push([x, y, BRUSH]);
  draw();
}

function press(event) {
  if (event.button) return;
  const [x, y] = place(event);
  if (painting) {
    paintAt(event);
    return track(event, paintAt);
  }
  const near = pairs.findIndex(pair => [0, 2].some(k => Math.hypot(pair[k] - x, pair[k + 1] - y) < NEAR));
  if (near < 0 || start) return add(x, y);
  const end = Math.hypot(pairs[near][2] - x, pairs[near][3] - y) < NEAR ? 2 : 0;
  track(event, next => { [pairs[near][end], pairs[near][end + 1]] = place(next).map(v => Math.min(1, Math.max(0, v))); draw(); });
}

function track(event, work) {
  marks.setPointerCapture(event.pointerId);
  marks.addEventListener('pointermove', work);
  marks.addEventListener('lostpointercapture', () => marks.removeEventListener('pointermove', work), {once: true});
}

function keys(event) {
  const step = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]}[event.key];
  const factor = event.shiftKey ? 5 : 1;
  if (step) cursor = (cursor || [0.5, 0.5]).map((v, i) => Math.min(1, Math.max(0, v + step[i] * factor)));
  else if (event.key === 'Enter' || event.key === ' ') add(...(cursor || [0.5, 0.5]));
  else if (event.key === 'Backspace') start ? start = null : pairs.pop();
  else return;
  event.preventDefault();
  draw();
}

export function listen() {
  leaveTo(() => on);
  marks.setAttribute('tabindex', '0');
  marks.addEventListener('pointerdown', press);
  marks.addEventListener('keydown', keys);
  part('clear').addEventListener('click', clear);
  part('brush').addEventListener('click', () => { painting = !painting; draw(); });
  part('unpaint').addEventListener('click', () => { strokes = []; draw(); });
  draw();
}
