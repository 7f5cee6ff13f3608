// A file goes to the server's memory; what comes back is an id, which the page hands on.
const zone = element.querySelector('.drop'), input = element.querySelector('input');
const send = async file => {
  if (!file) return;
  zone.classList.add('busy');
  try {
    const answer = await fetch('upload?name=' + encodeURIComponent(file.name), {method: 'POST', body: file});
    trigger('upload', answer.ok ? {key: await answer.text()} : {key: '', error: await answer.text()});
  } catch {
    trigger('upload', {key: ''});
  }
  zone.classList.remove('busy');
  input.value = '';
};
input.addEventListener('change', () => send(input.files[0]));
for (const name of ['dragover', 'drop']) window.addEventListener(name, event => event.preventDefault());
zone.addEventListener('dragover', () => zone.classList.add('over'));
zone.addEventListener('dragleave', () => zone.classList.remove('over'));
window.addEventListener('drop', event => { zone.classList.remove('over'); send(event.dataTransfer.files[0]); });
