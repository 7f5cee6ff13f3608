// Photos on their way in, the faces in them, and small pictures of what is open and of what was kept.

const part = id => document.getElementById(id);
const TYPES = /^image\//;

// send(files): what to do with files that were chosen, dropped or pasted.
export function listen(send) {
  const input = part('file');
  input.addEventListener('change', () => { const files = [...input.files]; input.value = ''; send(files); });
  let depth = 0;
  const over = by => { depth = Math.max(0, depth + by); part('over').hidden = depth === 0; };
  window.addEventListener('dragenter', event => { if (event.dataTransfer?.types.includes('Files')) over(1); });
  window.addEventListener('dragleave', () => over(-1));
  window.addEventListener('dragover', event => event.preventDefault());
  window.addEventListener('drop', event => { event.preventDefault(); over(-depth); send([...event.dataTransfer.files]); });
  window.addEventListener('paste', event => {
    const files = [...event.clipboardData.files].filter(file => TYPES.test(file.type));
    if (files.length) { event.preventDefault(); send(files); }
  });
}

export function tooLarge(file) {
  const largest = Number(document.body.dataset.largest);
  return file.size > largest ? `${file.name} is larger than ${largest / 1e6} MB: make it smaller first.` : '';
}

// The faces of a photo as buttons on it. photo: as the program tells it, or null for none.
export function boxes(photo, choose) {
  part('boxes').replaceChildren(...(photo?.faces || []).map((face, i) => {
    const [left, top, right, bottom] = face.box, button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', `${face.open ? 'Edit' : 'Click'} face ${i + 1} of ${photo.faces.length}`);
    button.className = face.open ? 'open' : '';
    const at = {left, top, width: right - left, height: bottom - top};
    for (const [name, value] of Object.entries(at)) button.style[name] = `${value * 100}%`;
    const words = document.createElement('span');
    words.textContent = face.open ? 'edit' : 'click';
    button.append(words);
    button.addEventListener('click', () => choose(face));
    return button;
  }));
}

export function entries(list, choose) {
  part('entries').hidden = list.length < 2;
  part('entries').replaceChildren(...list.map(one => {
    const state = one.open ? 'edited' : one.faces ? 'waiting' : 'no face';
    const button = small(one.look, one.name, `${one.name}, ${state}`, () => choose(one));
    button.setAttribute('aria-pressed', one.shown);
    return button;
  }));
}

// shown(item): whether it is open now.
export function gallery(items, open, shown) {
  part('shelf').hidden = !items;
  if (!items) return;
  const nothing = document.createElement('p');
  nothing.textContent = 'Faces that you find in photos are kept here.';
  part('gallery').replaceChildren(...(items.length ? items.map(one => {
    const button = small(one.look, `${one.day.slice(-5)} ${one.name}`, `Open ${one.name}, ${one.space.toUpperCase()} of ${one.model}, ${one.day}`, () => open(one));
    button.setAttribute('aria-pressed', shown(one));
    return button;
  }) : [nothing]));
}

// The small picture of what is open becomes that of its edit.
export function refresh(address) {
  const look = part('gallery').querySelector('[aria-pressed=true] img');
  if (look) look.src = address;
}

export function spaces(list) {
  part('spaces').hidden = !list?.length;
  part('spaces').replaceChildren(...(list || []).map(one => {
    const figure = document.createElement('figure'), words = document.createElement('figcaption');
    words.textContent = one.words;
    figure.append(Object.assign(new Image(), {src: one.picture, alt: one.words}), words);
    return figure;
  }));
}

function small(look, name, words, press) {
  const button = document.createElement('button'), line = document.createElement('span');
  button.type = 'button';
  button.title = words;
  button.setAttribute('aria-label', words);
  line.textContent = name;
  button.append(Object.assign(new Image(), {src: look, alt: ''}), line);
  button.addEventListener('click', press);
  return button;
}
