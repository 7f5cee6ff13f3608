// The sliders of what is open: grouped, filled from their middle, with the range in which faces held.

const part = id => document.getElementById(id);
const PAUSE = 1000, TWICE = 500;  // milliseconds: keys that follow each other so soon are one gesture; two clicks
let rows = [], gestures = 0, gesture = '', changed = () => {};

export const newGesture = () => { gesture = `g${++gestures}`; return gesture; };
export const strengths = () => rows.map(row => row.value);

// opened: as the program tells it. moved(gesture): what to do when one was moved.
export function build(opened, moved) {
  changed = moved;
  rows = opened.sliders.map((slider, i) => row(slider, i));
  const groups = new Map();
  rows.forEach((one, i) => {
    const group = opened.sliders[i].group;
    groups.set(group, [...(groups.get(group) || []), one.element]);
  });
  const order = ['Expression', 'Head', 'Looks', 'More'].filter(name => groups.has(name));
  part('sliders').replaceChildren(...order.flatMap(name => {
    const title = document.createElement('h3');
    title.textContent = order.length > 1 ? name : '';
    return [...(title.textContent ? [title] : []), ...groups.get(name)];
  }));
  part('presets').replaceChildren(...opened.presets.map(preset => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = preset.title;
    button.addEventListener('click', () => {
      for (const [i, strength] of Object.entries(preset.strengths)) rows[i].set(strength);
      changed(newGesture());
    });
    return button;
  }));
  set(opened.strengths);
}

export function set(values) { values.forEach((value, i) => rows[i]?.set(value)); }

function row(slider, i) {
  const element = document.createElement('div');
  element.className = 'slider';
  element.innerHTML = `<label for="slider${i}"></label><input type="number" step="0.05">
    <input type="range" id="slider${i}" step="0.05"><div class="ends"><span></span><span></span></div>`;
  const [typed, range] = element.querySelectorAll('input'), ends = element.querySelectorAll('.ends span');
  element.querySelector('label').textContent = slider.title;
  typed.setAttribute('aria-label', `${slider.title}, as a number`);
  range.dataset.name = slider.name;
  for (const input of [typed, range]) Object.assign(input, {min: slider.low, max: slider.high});
  [slider.less, slider.more].forEach((words, side) => {
    if (!slider.ends.length) { ends[side].textContent = words; return; }
    ends[side].append(Object.assign(new Image(), {src: slider.ends[side], alt: words}));
  });
  const percent = value => `${(value - slider.low) / (slider.high - slider.low) * 100}%`;
  range.style.setProperty('--zero', percent(0));
  range.style.setProperty('--low', percent(Math.max(slider.held[0], slider.low)));
  range.style.setProperty('--high', percent(Math.min(slider.held[1], slider.high)));
  const one = {element, value: 0, set(value) {
    one.value = value;
    range.value = value;
    if (document.activeElement !== typed) typed.value = Math.round(value * 100) / 100;
    range.style.setProperty('--from', percent(Math.min(0, value)));
    range.style.setProperty('--to', percent(Math.max(0, value)));
    const beyond = value < slider.held[0] || value > slider.held[1];
    range.setAttribute('aria-valuetext', `${Math.round(value * 100) / 100}${beyond ? ', beyond what was measured' : ''}`);
  }};
  listen(range, typed, one, slider);
  return one;
}

function listen(range, typed, one, slider) {
  let lastKey = -Infinity, lastPress = -Infinity;
  range.addEventListener('pointerdown', event => {
    if (event.timeStamp - lastPress > TWICE) newGesture();  // the second of two clicks belongs to the first
    lastPress = event.timeStamp;
  });
  range.addEventListener('keydown', event => {
    if (event.timeStamp - lastKey > PAUSE) newGesture();
    lastKey = event.timeStamp;
  });
  range.addEventListener('blur', () => { lastKey = -Infinity; });
  range.addEventListener('input', () => {
    one.set(Math.abs(range.value) < 0.025 ? 0 : Number(range.value));
    changed(gesture || newGesture());
  });
  range.addEventListener('dblclick', () => { one.set(0); changed(gesture || newGesture()); });
  typed.addEventListener('change', () => {
    const value = Number(typed.value) || 0;
    one.set(Math.min(slider.high, Math.max(slider.low, value)));
    typed.value = one.value;
    changed(newGesture());
  });
}
