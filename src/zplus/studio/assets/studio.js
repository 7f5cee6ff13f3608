// The page: what it shows of the program's answers, and what it asks of the program.
import * as alive from './alive.js';
import {call, inTurn, leave, Lost, save, upload} from './call.js';
import * as job from './job.js';
import * as photo from './photo.js';
import * as points from './points.js';
import * as sliders from './sliders.js';
import * as stage from './stage.js';

const part = id => document.getElementById(id);
const page = {opened: null, built: null, photo: null, entry: null, inPhoto: false, files: new Map(), asked: 0, shown: 0};

// What the program told last. Each answer has the number of its question; one that is older than what is shown is dropped.
function apply(values, number = ++page.asked) {
  if (number < page.shown) return;
  page.shown = number;
  if (values.models) whole(values);
  else {
    if (values.strengths) take(values);
    if (values.view) look(values.view);
  }
  if (values.spaces) photo.spaces(values.spaces);
  if (values.words !== undefined) say(values.words, values.kind);
  if (values.job) follow(values.job);
}

function whole(values) {
  const old = page.opened?.number;
  Object.assign(page, {opened: values.opened, photo: values.photo, entry: values.entries.find(one => one.shown)?.number});
  models(values.models);
  photo.entries(values.entries, one => ask('show', {entry: one.number, face: -2, in_photo: false}, 'Opening'));
  if (values.gallery !== undefined) photo.gallery(values.gallery, one => ask('reopen', {key: one.key}, 'Opening'), one => one.key === page.opened?.kept);
  photo.spaces([]);
  if (page.opened?.number !== old) { points.close(); stage.zoomTo(1); stage.wipeTo(0); }
  if (page.opened) {
    if (page.opened.number !== page.built) sliders.build(page.opened, moved);  // else a slider in use stays as it is
    page.built = page.opened.number;
    part('model').value = page.opened.model;
    part('space').value = page.opened.space;
    stage.name(page.opened.is_sample ? 'a face of nobody' : page.opened.name);
    take(page.opened);
    look(values.view);
  } else if (page.photo) {
    stage.name(`your photo, ${page.photo.faces.length} faces`);
    stage.show({before: '', after: page.photo.picture, width: page.photo.width, height: page.photo.height});
    photo.boxes(page.photo, choose);
    page.inPhoto = true;
  }
  const waiting = values.entries.filter(one => one.faces && !one.open).length;
  arrange(waiting);
}

function arrange(waiting) {
  const found = page.photo && !page.opened, faces = page.photo?.faces.length;
  part('find').hidden = !found;
  part('steps').hidden = !page.opened?.is_sample;
  part('editing').hidden = part('saving').hidden = part('tools').hidden = !page.opened;
  part('whole').hidden = !page.opened?.has_photo;
  part('feature-row').hidden = !page.opened?.has_feature;
  part('compare').hidden = !page.opened;
  part('invert').hidden = !faces;
  part('invert').className = 'main';
  part('as-it-is').className = faces ? '' : 'main';
  part('invert-all').hidden = waiting < 2;
  part('invert-all').textContent = `Prepare all ${waiting} waiting`;
  part('invert').textContent = faces > 1 ? 'Edit the largest face' : 'Edit this face';
  if (found) part('found').textContent = faces ? `${faces > 1 ? 'Choose a face in the photo' : 'It'} is prepared once, which takes about a minute.` : page.photo.why;
  free();
}

function models(names) {
  if ([...part('model').options].map(one => one.value).join() === names.join()) return;
  part('model').replaceChildren(...names.map(name => new Option(name, name)));
}

function take(values) {
  if (!pending) sliders.set(values.strengths);
  part('feature').value = values.feature;
  Object.assign(page, {canUndo: values.undo, canRedo: values.redo, drags: values.drags});
  free();
}

function look(view) {
  if (!view) return;
  page.inPhoto = view.in_photo;
  part('whole').setAttribute('aria-pressed', view.in_photo);
  photo.boxes(view.in_photo ? page.photo : null, choose);
  stage.tag('');
  if (view.in_photo && points.isOn()) points.close();
  return stage.show(view).then(() => view.in_photo || photo.refresh(stage.picture()));
}

// What can be pressed now: nothing of a face whose points move, or that is just being looked for.
function free() {
  const held = job.isRunning() && job.entry() === page.entry, none = held || !page.opened;
  const off = {undo: none || !page.canUndo, redo: none || !page.canRedo, reset: none || !sliders.strengths().some(Boolean) && !page.drags, points: none, whole: none, command: none};
  for (const [id, value] of Object.entries(off)) part(id).disabled = value;
  for (const id of ['invert', 'as-it-is', 'invert-all', 'compare']) part(id).disabled = job.isRunning();
  for (const button of document.querySelectorAll('#saving [data-kind], #boxes button')) button.disabled = held;
  part('editing').disabled = held;
  if (held) part('go').disabled = true;
}

function say(words, kind = '') {
  const line = part('status');
  line.className = kind;
  line.setAttribute('role', kind === 'error' ? 'alert' : 'status');
  line.textContent = words;
}

// Asks the program, one question after the other. busy: what is being done, in words, with the seconds it takes.
function ask(name, values, busy = '', asking = () => call(name, values)) {
  const began = performance.now();
  const tell = () => say(`${busy} ... ${Math.round((performance.now() - began) / 1000) || ''}`.trimEnd(), 'busy');
  if (busy) tell();
  const clock = busy && setInterval(tell, 1000);
  asks++;
  mark();
  return inTurn(async () => {
    const number = ++page.asked;
    try {
      const answer = await asking();
      clearInterval(clock);
      apply(answer, number);
      return answer;
    } catch (error) {
      clearInterval(clock);
      await wrong(error);
    }
  }).finally(() => { asks--; mark(); });
}

// The picture is marked while it is not yet that of what was asked for.
let asks = 0;
const mark = () => stage.busy(asks > 0 || pending !== null || (job.isRunning() && job.entry() === page.entry));

// What went wrong is said, and the page shows what the program has.
async function wrong(error) {
  if (error instanceof Lost) return;
  say(error.message, 'error');
  pending = null;  // what is moved from now on counts
  try {
    const values = await call('hello');
    delete values.words;
    apply(values);
  } catch { /* it is said already */ }
}

// While one move is answered, only the last of those that follow waits; the picture is marked until it is that one.
let pending = null;
function moved(gesture) {
  const first = pending === null;
  pending = {opened: page.opened.number, feature: part('feature').value, gesture, strengths: sliders.strengths()};
  mark();
  if (!first) return;
  inTurn(async () => {
    while (pending) {
      const wanted = pending, number = ++page.asked;
      try {
        const answer = await call('move', {in_photo: page.inPhoto, ...wanted});
        if (pending === wanted) pending = null;
        const done = look(answer.view);
        delete answer.view;
        apply(answer, number);
        await done;
      } catch (error) {
        pending = null;
        await wrong(error);
      }
    }
  }).finally(mark);
}

const step = way => ask('step', {opened: page.opened.number, way, in_photo: page.inPhoto});
const how = () => ({model: part('model').value, space: part('space').value, quality: part('quality').value});

function choose(face) {
  if (face.open) return ask('show', {entry: page.entry, face: face.number, in_photo: false}, 'Opening');
  return find(face.number);
}

const find = face => ask('invert', {...how(), face}, 'Beginning');

function follow(first) {
  say(first.kind === 'drag' ? 'The face follows the points.' : 'You can edit as soon as this is done.');
  job.follow(first, (values, error) => {
    stage.tag('');
    points.follow([]);
    if (first.kind === 'drag') points.close();
    if (values) apply(values);
    if (error) wrong(error);
    mark();
    free();
  }, () => page.entry);
  mark();
  free();
}

async function send(files) {
  const fine = files.filter(file => !photo.tooLarge(file));
  if (fine.length < files.length) say(photo.tooLarge(files.find(photo.tooLarge)), 'error');
  for (const [i, file] of fine.entries()) {
    const many = fine.length > 1 ? ` (${i + 1} of ${fine.length})` : '';
    const answer = await ask('upload', {}, `Reading ${file.name} and looking for faces${many}`, () => upload(file, i === 0));
    if (answer?.entries) page.files.set(answer.entries.at(-1).number, file);
  }
}

async function download(kind) {
  say(`Making the ${kind} ...`, 'busy');
  await inTurn(async () => {
    try {
      const {blob, name} = await save({opened: page.opened.number, kind, in_photo: page.inPhoto});
      const link = Object.assign(document.createElement('a'), {href: URL.createObjectURL(blob), download: name});
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      say(`${name} is saved, ${(blob.size / 1e6).toFixed(1)} MB.`);
    } catch (error) {
      await wrong(error);
    }
  });
}

async function showRecipe() {
  const found = await ask('recipe', {opened: page.opened.number});
  if (!found) return;
  part('shell').textContent = found.shell;
  part('python').textContent = found.python;
  part('recipe').showModal();
}

async function copy(id) {
  const text = part(id).textContent;
  try {
    await navigator.clipboard.writeText(text);
    say('Copied.');
  } catch {  // not a secure address: the text is marked, so that Ctrl-C copies it
    getSelection().selectAllChildren(part(id));
  }
}

function remove() {
  const kept = page.opened?.kept ? ' and from the folder of the gallery' : '';
  part('ask-words').textContent = `${page.photo ? 'This photo, its faces and their edits' : 'This face and its edits'} will be gone from memory${kept}. This cannot be undone.`;
  part('ask').returnValue = '';
  part('ask').showModal();
}

// After the program was started anew: what is in the gallery is opened again, else the photo is sent again.
async function recover() {
  const {opened, entry} = page, file = page.files.get(entry);
  job.stop();
  page.files.clear();
  page.built = null;  // another face may have the same number now
  const began = await ask('hello', {}, 'Beginning anew');
  if (opened?.kept && began?.gallery?.some(one => one.key === opened.kept)) return ask('reopen', {key: opened.kept}, 'Opening');
  if (file) return send([file]);
}

function listen() {
  const click = (id, work) => part(id).addEventListener('click', work);
  click('example', () => ask('example', {}, 'Looking for faces'));
  click('another', () => {
    const seed = part('seed').value === '' ? Math.floor(Math.random() * 2 ** 31) : Number(part('seed').value);
    part('seed').value = '';
    ask('sample', {model: part('model').value, space: part('space').value, seed}, 'Drawing a face');
  });
  for (const way of ['undo', 'redo', 'reset']) click(way, () => step(way));
  click('whole', () => ask('view', {opened: page.opened.number, in_photo: !page.inPhoto}));
  click('points', async () => {
    if (points.isOn()) return points.close();
    if (page.inPhoto) await ask('view', {opened: page.opened.number, in_photo: false});
    stage.wipeTo(0);
    points.open(page.opened.resolution);
  });
  click('go', () => ask('drag', {opened: page.opened.number, ...points.given()}, 'Beginning'));
  click('invert', () => find(null));
  click('as-it-is', () => find(-1));
  click('invert-all', () => ask('invert-all', how(), 'Beginning'));
  click('compare', () => ask('compare', {quality: part('quality').value}, 'Beginning'));
  click('command', showRecipe);
  click('delete', remove);
  part('ask').addEventListener('close', () => part('ask').returnValue === 'delete' && ask('delete', {}, 'Deleting'));
  part('feature').addEventListener('change', () => moved(sliders.newGesture()));
  for (const button of document.querySelectorAll('[data-kind]')) button.addEventListener('click', () => download(button.dataset.kind));
  for (const button of document.querySelectorAll('[data-copies]')) button.addEventListener('click', () => copy(button.dataset.copies));
  document.addEventListener('keydown', event => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z' || !page.opened || event.target.type === 'number') return;
    event.preventDefault();
    if (!part(event.shiftKey ? 'redo' : 'undo').disabled) step(event.shiftKey ? 'redo' : 'undo');
  });
  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', event => event.persisted && ask('hello', {}));
}

const kept = document.body.dataset.kept;
if (kept) part('kept').textContent = `faces found in photos are also kept in the folder ${kept}`;
stage.start();
points.listen();
photo.listen(send);
job.listen(wrong);
listen();
ask('hello', {}, 'Loading the first model').then(() => alive.watch(recover));
