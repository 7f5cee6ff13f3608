// New pictures take the place of the old ones without a flash, and the border between them stays where it was put.
const part = name => element.querySelector(name);
const show = () => {
  const value = props.value || {}, figure = part('.compare');
  if (!figure) return;
  figure.hidden = !value.after;
  part('.empty').hidden = !figure.hidden;
  for (const name of ['before', 'after']) if (value[name] && part('.' + name).src !== value[name]) part('.' + name).src = value[name];
  if (value.caption !== undefined) part('figcaption').textContent = value.caption;
};
element.addEventListener('input', event => part('.stage').style.setProperty('--at', event.target.value + '%'));
watch('value', show);
show();
