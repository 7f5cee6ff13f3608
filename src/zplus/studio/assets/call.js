// Calls of the program behind the page.

const visitor = [...crypto.getRandomValues(new Uint8Array(16))].map(x => x.toString(16).padStart(2, '0')).join('');

export class Lost extends Error {}  // the program cannot be reached

async function post(path, body, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {method: 'POST', body, headers: {'x-visitor': visitor}, cache: 'no-store', ...options});
  } catch {
    document.dispatchEvent(new Event('lost'));
    throw new Lost('The program cannot be reached.');
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let words = text;
  try { words = JSON.parse(text).error; } catch { /* the guard answers in plain text */ }
  throw new Error(words || 'The program could not answer.');
}

export const call = async (name, values = {}) => (await post(`api/${name}`, JSON.stringify(values))).json();

export const upload = async (file, show) =>
  (await post(`api/upload?name=${encodeURIComponent(file.name)}&show=${show ? 1 : 0}`, file)).json();

export async function save(values) {
  const answer = await post('api/save', JSON.stringify(values));
  const name = decodeURIComponent(answer.headers.get('content-disposition').split("''")[1]);
  return {blob: await answer.blob(), name};
}

export const leave = () => post('api/leave', '', {keepalive: true}).catch(() => {});

// What changes something is done one after the other, so that answers come in the order of what was asked.
let last = Promise.resolve();
let waiting = 0;
export const idle = () => waiting === 0;
export function inTurn(work) {
  waiting++;
  const done = last.then(work).finally(() => { waiting--; });
  last = done.catch(() => {});
  return done;
}
