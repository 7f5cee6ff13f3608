// Whether the program is there, and is the one that the page began with. The page says so once, and goes on by itself.
import {call, Lost} from './call.js';

const PAUSE = 2000;  // milliseconds
const line = document.getElementById('lost'), page = document.getElementById('page');
let born, recover = () => {};

function say(words, calm = false) {
  if (line.textContent !== words) line.textContent = words;
  line.hidden = !words;
  line.classList.toggle('calm', calm);
  page.inert = Boolean(words) && !calm;
}

const gone = () => say('The studio program has ended or cannot be reached. Start it again with "zplus studio": this page goes on by itself.');

async function look() {
  try {
    const now = (await call('alive')).born;
    if (born && now !== born) {
      say('The program was started anew. This page goes on with it; what was not kept or saved is gone.', true);
      setTimeout(() => say(''), 8000);
      recover();
    } else if (page.inert) say('');
    born = now;
  } catch (error) {
    if (error instanceof Lost) gone();
    else say(error.message);
  }
}

export function watch(work) {
  recover = work;
  document.addEventListener('lost', gone);
  look();
  setInterval(look, PAUSE);
}
