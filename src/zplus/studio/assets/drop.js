// A file goes to the server's memory; what comes back is an id, which the page hands on.
const zone = element.querySelector('.drop'), input = element.querySelector('input');
const send = async file => {
  if (!file) return;
  const largest = Number(zone.dataset.largest), told = {key: ''};
  zone.classList.add('busy');
  try {
    if (file.size > largest) throw new Error(`This file is larger than ${largest / 1e6} MB: make it smaller first.`);
    const answer = await fetch('upload?name=' + encodeURIComponent(file.name), {method: 'POST', body: file});
    if (!answer.ok) throw new Error(await answer.text());
    told.key = await answer.text();
  } catch (error) {
    told.refusal = error instanceof TypeError ? '' : error.message;  // TypeError: the connection broke
  }
  trigger('upload', told);
  zone.classList.remove('busy');
  input.value = '';
};
input.addEventListener('change', () => send(input.files[0]));
for (const name of ['dragover', 'drop']) window.addEventListener(name, event => event.preventDefault());
zone.addEventListener('dragover', () => zone.classList.add('over'));
zone.addEventListener('dragleave', () => zone.classList.remove('over'));
window.addEventListener('drop', event => { zone.classList.remove('over'); send(event.dataTransfer.files[0]); });
