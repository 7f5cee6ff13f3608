// The picture: before and after with a wipe between them, a press that shows the original, zoom and pan.

const part = id => document.getElementById(id);
const stage = part('stage'), sheet = part('sheet'), before = part('before'), after = part('after'), wipe = part('wipe');
const MOST = 8, HELD = 180, MOVED = 5;  // zoom; milliseconds and pixels that tell a press from a drag
let scale = 1, x = 0, y = 0, at = 0, original = false, reads = () => false;

// The picture of an edit is decoded before it takes the place of the old one, so that nothing flashes.
export async function show(view) {
  if (view.width) stage.style.setProperty('--ratio', view.width / view.height);
  if (view.before !== undefined) await put(before, view.before);
  await put(after, view.after);
  wipe.hidden = !before.src;
  draw();
}

async function put(image, address) {
  if (!address) return image.removeAttribute('src');
  const next = new Image();
  next.src = address;
  await next.decode().catch(() => {});
  image.src = address;
}

export function name(words) {
  before.alt = `Before: ${words}`;
  after.alt = words;
}

export const busy = on => stage.setAttribute('aria-busy', on);
export const picture = () => after.src;
export const tag = words => { part('tag').textContent = words; };

function draw() {
  const width = stage.clientWidth || 1;
  sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  const clip = original ? 100 : Math.min(100, Math.max(0, ((at / 100 * width - x) / scale / width) * 100));
  after.style.setProperty('--clip', `${clip}%`);
  wipe.style.left = `${at}%`;
  wipe.setAttribute('aria-valuenow', Math.round(at));
  wipe.setAttribute('aria-valuetext', at ? `${Math.round(at)} % original` : 'edited');
  stage.classList.toggle('zoomed', scale > 1);
  stage.classList.toggle('wiped', at > 0);
  part('zoom').textContent = `${Math.round(scale * 100)} %`;
  part('zoom').setAttribute('aria-label', `Zoom ${Math.round(scale * 100)} %, press to fit`);
}

export function wipeTo(percent) {
  at = Math.min(100, Math.max(0, percent));
  draw();
}

// px, py: the point of the stage that stays where it is.
export function zoomTo(wanted, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
  const next = Math.min(MOST, Math.max(1, wanted)), grown = next / scale;
  x = px - (px - x) * grown;
  y = py - (py - y) * grown;
  scale = next;
  pan(0, 0);
}

function pan(dx, dy) {
  x = Math.min(0, Math.max(stage.clientWidth * (1 - scale), x + dx));
  y = Math.min(0, Math.max(stage.clientHeight * (1 - scale), y + dy));
  draw();
}

// Where an event is in the picture, as parts of its width and height.
export function place(event) {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

export function holdOriginal(on) {
  original = on && Boolean(before.src);
  tag(original ? 'original' : '');
  draw();
}

// Another part of the page takes presses on the picture for itself while `test()` is true.
export const leaveTo = test => { reads = test; };

function follow(event) {
  if (reads() || event.target.closest('#wipe, #work, #boxes button') || event.button) return;
  const fingers = touches(event);
  if (fingers.length > 1) return;
  let [px, py] = [event.clientX, event.clientY], moved = false;
  const held = setTimeout(() => !moved && holdOriginal(true), HELD);
  const move = next => {
    if (Math.hypot(next.clientX - px, next.clientY - py) < MOVED && !moved) return;
    moved = true;
    if (scale > 1 && !original && fingersOn.size < 2) {
      pan(next.clientX - px, next.clientY - py);
      [px, py] = [next.clientX, next.clientY];
    }
  };
  const end = () => {
    clearTimeout(held);
    holdOriginal(false);
    window.removeEventListener('pointermove', move);
    for (const kind of ['pointerup', 'pointercancel']) window.removeEventListener(kind, end);
  };
  window.addEventListener('pointermove', move);
  for (const kind of ['pointerup', 'pointercancel']) window.addEventListener(kind, end);
}

// Two fingers zoom.
const fingersOn = new Map();
const touches = event => { fingersOn.set(event.pointerId, [event.clientX, event.clientY]); return [...fingersOn.values()]; };
function pinch(event) {
  if (!fingersOn.has(event.pointerId)) return;
  const [a, b] = touches(event).length > 1 ? [...fingersOn.values()] : [];
  if (!b) return;
  const wide = Math.hypot(a[0] - b[0], a[1] - b[1]), box = stage.getBoundingClientRect();
  if (pinch.wide) zoomTo(scale * wide / pinch.wide, (a[0] + b[0]) / 2 - box.left, (a[1] + b[1]) / 2 - box.top);
  pinch.wide = wide;
}
function lift(event) { fingersOn.delete(event.pointerId); pinch.wide = 0; }

function slideWipe(event) {
  wipe.setPointerCapture(event.pointerId);
  const move = next => wipeTo((next.clientX - stage.getBoundingClientRect().left) / stage.clientWidth * 100);
  wipe.addEventListener('pointermove', move);
  wipe.addEventListener('lostpointercapture', () => wipe.removeEventListener('pointermove', move), {once: true});
}

export function start() {
  stage.addEventListener('pointerdown', follow);
  window.addEventListener('pointermove', pinch);
  for (const kind of ['pointerup', 'pointercancel']) window.addEventListener(kind, lift);
  stage.addEventListener('dblclick', event => {
    if (reads() || event.target.closest('#wipe, #work, #boxes button')) return;
    const box = stage.getBoundingClientRect();
    zoomTo(scale > 1 ? 1 : 2.5, event.clientX - box.left, event.clientY - box.top);
  });
  stage.addEventListener('wheel', event => {
    if (!event.ctrlKey && scale === 1) return;  // the page scrolls
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoomTo(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, {passive: false});
  wipe.addEventListener('pointerdown', slideWipe);
  wipe.addEventListener('keydown', event => {
    const step = {ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, Home: -100, End: 100, PageUp: 20, PageDown: -20}[event.key];
    if (!step) return;
    event.preventDefault();
    wipeTo(at + step);
  });
  part('in').addEventListener('click', () => zoomTo(scale * 1.5));
  part('out').addEventListener('click', () => zoomTo(scale / 1.5));
  part('zoom').addEventListener('click', () => zoomTo(1));
  const hold = part('hold');
  for (const kind of ['pointerdown', 'keydown']) {
    hold.addEventListener(kind, event => (!event.key || event.key === ' ' || event.key === 'Enter') && holdOriginal(true));
  }
  for (const kind of ['pointerup', 'pointerleave', 'keyup', 'blur']) hold.addEventListener(kind, () => holdOriginal(false));
  new ResizeObserver(() => pan(0, 0)).observe(stage);
}
