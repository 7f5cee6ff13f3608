// Says so when the program behind the page has ended, or is another one than the page was opened with.
const lost = element.querySelector('#lost');
let born;
const ask = async () => {
  let words = '';
  try {
    const now = await (await fetch('alive', {cache: 'no-store'})).text();
    born ??= now;
    if (now !== born) words = 'The program was started anew and knows nothing of this page: load it again.';
  } catch {
    words = 'The program has ended or cannot be reached: nothing on this page works until it is started again.';
  }
  if (lost.textContent !== words) lost.textContent = words;
  lost.hidden = !words;
};
ask();
setInterval(ask, 2000);
