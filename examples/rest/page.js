import { authenticated } from '/auth/client.mjs';

const $ = (id) => document.getElementById(id);

function status(state, text) {
  $('status').dataset.state = state;
  $('status').textContent = text;
}

function note(text) {
  const item = document.createElement('li');
  item.textContent = text;
  $('log').append(item);
}

// Every connection attempt has its own ticket. The cookie that pays for it is
// HttpOnly: no script sees a token.
const connection = authenticated(io, location.origin, {
  name: 'ticket',
  getToken: async ({ signal }) => {
    const answer = await fetch('/ticket', { method: 'POST', signal });
    if (answer.status === 401) return null; // nobody is logged in
    if (!answer.ok) throw new Error('no ticket now');
    return (await answer.json()).ticket;
  },
  onAuthenticated: () => status('in', 'connected'),
  onRetry: () => status('wait', 'reconnecting'),
  onStopped: (refusal) => status('out', 'logged out: ' + refusal.reason),
});
connection.socket.on('message', (m) => note(m.from + ': ' + m.text));

$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await fetch('/login', { method: 'POST', body: new URLSearchParams({ name: $('name').value }) });
  if (!answer.ok) return note(await answer.text());
  connection.start();
});

$('logout').addEventListener('click', async () => {
  const answer = await fetch('/logout', { method: 'POST' });
  note('logout: ' + answer.status);
});

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await fetch('/messages', { method: 'POST', body: $('text').value });
  if (!answer.ok) note('not sent: ' + answer.status);
  $('text').value = '';
});
