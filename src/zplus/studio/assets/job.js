// Work of some length: what is done, how far it is, how long it takes, and the picture so far.
import {call, Lost} from './call.js';
import * as stage from './stage.js';
import * as points from './points.js';

const part = id => document.getElementById(id);
const PAUSE = 400;  // milliseconds between two looks
let running = null, seen = null, since = -1, began = 0;

export const isRunning = () => running !== null;
export const entry = () => running?.entry;

const time = seconds => seconds < 60 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

// first: as the program tells a job. ended(values, error): when it is over. shown(): the entry on the page.
export function follow(first, ended, shown) {
  if (running) return;
  running = first;
  since = -1;
  began = performance.now() - first.elapsed * 1000;
  part('keep').hidden = first.kind === 'compare';
  tell(first, shown);
  seen = setInterval(() => tellTime(), 500);
  look(ended, shown);
}

async function look(ended, shown) {
  let values, error;
  while (!values && !error) {
    await new Promise(done => setTimeout(done, PAUSE));
    try {
      const answer = await call('watch', {since});
      if (answer.job && answer.words === undefined) tell(answer.job, shown);
      else values = answer;
    } catch (found) {
      error = found;
    }
  }
  stop();
  ended(values, error instanceof Lost ? null : error);
}

export function stop() {
  clearInterval(seen);
  running = null;
  part('work').hidden = true;
}

function tell(job, shown) {
  running = job;
  const here = job.entry === shown();
  part('work').hidden = false;
  part('doing').textContent = job.stopping ? 'Stopping ...' : job.step ? `${job.stage}, step ${job.step} of ${job.steps}` : job.stage;
  part('note').textContent = job.note;
  part('keep').disabled = job.stopping || !job.step;
  part('cancel').disabled = job.stopping;
  const bar = part('bar');
  if (job.step && job.steps) bar.value = job.step / job.steps;
  else bar.removeAttribute('value');
  tellTime();
  if (job.picture && here) {
    since = job.step;
    if (job.kind === 'invert') part('boxes').replaceChildren();  // they belong to the photo
    stage.show(job.kind === 'invert' ? {before: '', after: job.picture, width: 1, height: 1} : {after: job.picture});
    stage.tag('so far');
  }
  if (job.handles.length) points.follow(job.handles);
}

function tellTime() {
  if (!running) return;
  const left = running.left === null ? '' : `, about ${time(running.left)} left`;
  part('time').textContent = `${time((performance.now() - began) / 1000)} so far${left}`;
}

export function listen(failed) {
  part('keep').addEventListener('click', () => call('stop', {how: 'keep'}).catch(failed));
  part('cancel').addEventListener('click', () => call('stop', {how: 'drop'}).catch(failed));
}
