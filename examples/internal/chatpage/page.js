'use strict';

const $ = (id) => document.getElementById(id);

let socket = null; // the one that chats, once logged in
let session = null; // {token, claims}

// ---- how a client authenticates ----

// enter opens a socket that presents a token, or nothing if it is null.
//
// By event a client connects, emits "authenticate", and is answered "authenticated" or
// "unauthorized". By handshake, which clients 4.x can, it does not connect without a
// good token.
function enter(token, on) {
  const byHandshake = document.body.dataset.auth === 'handshake';
  const options = { forceNew: true, reconnection: false };
  if (byHandshake && token) options.auth = { token };
  const s = io(options);
  let inside = false;
  let over = false;
  const end = (verdict) => {
    if (over) return;
    over = true;
    s.close();
    on.out(verdict);
  };
  let why = null; // what the server said last

  s.on('connect', () => {
    if (byHandshake) {
      inside = true;
      on.inside(s);
      return;
    }
    on.connected(s);
    if (token) s.emit('authenticate', { token });
  });
  s.on('authenticated', () => {
    if (inside) return on.renewed();
    inside = true;
    on.inside(s);
  });
  s.on('unauthorized', (error, acknowledge) => {
    why = error.data;
    if (inside) return; // what follows says whether the session ends
    on.refused(why);
    if (acknowledge) acknowledge();
  });
  s.on('connect_error', (error) => {
    if (error && error.data) {
      on.refused(error.data);
      return end({ refused: true, why: error.data });
    }
    end({ lost: true, why: { message: 'the server cannot be reached' } });
  });
  s.on('error', (error) => {
    if (error && error.code) on.refused((why = error));
  });
  s.on('disconnect', (reason) => {
    const byServer = reason === 'io server disconnect';
    end({ refused: byServer && why !== null, lost: !byServer, why: why || { message: byServer ? 'disconnected by the server' : 'the connection was lost' } });
  });
  return s;
}

async function fetchToken(name, flaw) {
  const answer = await fetch('/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name, flaw: flaw || '' }),
  }).catch(() => { throw new Error('the server cannot be reached'); });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return (await answer.json()).token;
}

// ---- what is in a token ----

function decode(part) {
  const binary = atob(part.replace(/-/g, '+').replace(/_/g, '/'));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
}

const claimsOf = (token) => decode(token.split('.')[1]);

function encode(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

function tamper(token) {
  const parts = token.split('.');
  parts[1] = encode(Object.assign(decode(parts[1]), { sub: 'admin', name: 'admin' }));
  return parts.join('.');
}

const meaning = {
  iss: 'who issued it', aud: 'for which service', sub: 'for whom', name: 'the name to show',
  iat: 'issued at', exp: 'expires', jti: 'its id',
};

function showToken() {
  const box = $('token');
  box.replaceChildren();
  session.token.split('.').forEach((part, i) => {
    if (i > 0) box.append('.');
    box.append(element('span', part, ['header', 'payload', 'signature'][i]));
  });
  $('claims').replaceChildren(...Object.entries(session.claims).map(([name, value]) => {
    const row = document.createElement('tr');
    const head = element('th', name);
    head.scope = 'row';
    head.title = meaning[name] || '';
    const cell = document.createElement('td');
    cell.append(name === 'iat' || name === 'exp' ? new Date(value * 1000).toLocaleTimeString() : String(value));
    if (name === 'exp') {
      cell.append(' ');
      cell.append(element('small', '', 'left'));
    }
    row.append(head, cell);
    return row;
  }));
  tick();
}

function tick() {
  const left = document.querySelector('.left');
  if (!left || !session) return;
  const seconds = Math.round(session.claims.exp - Date.now() / 1000);
  left.textContent = seconds <= 0 ? 'expired'
    : `in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
setInterval(tick, 1000);

// ---- logging in and out ----

function status(state, text) {
  $('status').dataset.state = state;
  $('status').textContent = text;
}

function render() {
  const loggedIn = session !== null;
  $('login-card').hidden = loggedIn;
  $('token-card').hidden = !loggedIn;
  $('text').disabled = $('send').disabled = !loggedIn || !socket;
  if (!loggedIn || !socket) $('people').textContent = '';
  if (!loggedIn) $('renewal').textContent = '';
}

$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  $('login-error').textContent = '';
  let token;
  try {
    token = await fetchToken($('name').value);
  } catch (error) {
    $('login-error').textContent = error.message;
    return;
  }
  status('wait', 'authenticating');
  join(token);
});

// join opens the socket of the chat. After a lost connection it is called again, with a
// new token.
function join(token) {
  const back = session !== null;
  let next = null; // the token that is to replace it
  const s = socket = enter(token, {
    connected() {},
    refused() {},
    renewed() {
      if (!next) return;
      session = { token: next, claims: claimsOf(next) };
      next = null;
      showToken();
      renewed('Renewed at ' + new Date().toLocaleTimeString() + ', on the same connection.');
      note('Your token was renewed. The connection stays.');
    },
    inside() {
      session = { token, claims: claimsOf(token) };
      failures = 0;
      status('in', 'authenticated as ' + session.claims.name);
      render();
      showToken();
      note(back ? 'You are back.' : 'You are in.');
      if (!back) $('text').focus();
    },
    out({ refused, lost, why }) {
      if (session && (lost || why.retryable)) return comeBack();
      session = socket = null;
      render();
      status(refused ? 'refused' : 'out', refused ? 'refused: ' + why.message : why.message);
      note(`You are out: ${why.message}.`);
      $('name').focus();
    },
  });
  s.on('token_expiring', async () => {
    if (!session || !$('renew').checked) return;
    try {
      next = await fetchToken(session.claims.name);
    } catch (error) {
      note('No new token: ' + error.message);
      return;
    }
    s.emit('authenticate', { token: next });
  });
  s.on('message', (m) => said(m));
  s.on('people', (names) => {
    $('people').textContent = `${names.length} here: ${names.join(', ')}`;
  });
}

let failures = 0; // attempts to come back
let timer = 0;

// comeBack reconnects after a while that grows with each failure, with a new token: the
// old one may have expired meanwhile. The person stays logged in.
function comeBack() {
  if (failures === 0) note('The connection is lost. The page reconnects by itself.');
  socket = null;
  $('renewal').textContent = '';
  status('wait', 'connection lost, coming back');
  render();
  const wait = Math.min(10000, 500 * 2 ** failures++) * (0.5 + Math.random() / 2);
  timer = setTimeout(async () => {
    const left = session; // who was connected
    try {
      const token = await fetchToken(left.claims.name);
      if (session === left && !socket) join(token);
    } catch {
      if (session === left && !socket) comeBack();
    }
  }, wait);
}

function renewed(text) {
  const line = $('renewal');
  line.textContent = text;
  line.classList.remove('fresh');
  void line.offsetWidth; // restarts the animation
  line.classList.add('fresh');
}

$('logout').addEventListener('click', () => {
  const s = socket;
  clearTimeout(timer);
  failures = 0;
  session = socket = null;
  if (s) {
    s.off();
    s.close();
  }
  render();
  status('out', 'not connected');
  note('You have logged out.');
  $('name').focus();
});

// ---- the chat ----

$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text || !socket) return;
  socket.emit('message', text, (problem) => {
    if (problem) note(problem);
  });
  $('text').value = '';
});

function said(m) {
  const item = element('li', '', 'said');
  if (session && m.from === session.claims.name) item.classList.add('mine');
  item.append(element('b', m.from), m.text);
  append(item);
}

function note(text) { append(element('li', text, 'note')); }

function append(item) {
  const log = $('log');
  $('empty').hidden = true;
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
  log.append(item);
  while (log.children.length > 200) log.children[1].remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function element(tag, text, className) {
  const e = document.createElement(tag);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

// ---- connecting without a valid token ----

const attacks = {
  none: ['without a token', async () => null],
  expired: ['with an expired token', (name) => fetchToken(name, 'expired')],
  tampered: ['with a tampered token, "sub" now "admin"', async (name) => tamper(await fetchToken(name))],
  audience: ['with a token for the audience "billing"', (name) => fetchToken(name, 'audience')],
};

async function attack(kind) {
  const [title, make] = attacks[kind];
  const item = document.createElement('li');
  const verdict = element('p', 'connecting …', 'verdict');
  const detail = element('p', '', 'detail');
  item.dataset.state = 'wait';
  item.append(element('p', 'A socket ' + title), verdict, detail);
  $('attempts').prepend(item);
  while ($('attempts').children.length > 6) $('attempts').lastChild.remove();

  let token;
  try {
    token = await make(session ? session.claims.name : 'mallory');
  } catch (error) {
    verdict.textContent = error.message;
    return;
  }
  const since = performance.now();
  const seconds = () => ((performance.now() - since) / 1000).toFixed(1) + ' s';
  let heard = 0;
  const s = enter(token, {
    connected(s) {
      s.emit('message', 'open the door!');
      if (!token) verdict.textContent = 'connected, receives nothing, has a few seconds to authenticate …';
    },
    refused(why) {
      detail.replaceChildren('The server says: ', element('code', `${why.code}: ${why.message}`),
        why.reason ? ` (${why.reason})` : '');
    },
    inside() {
      item.dataset.state = 'in';
      verdict.textContent = 'Accepted. The server should have refused it.';
    },
    out({ refused, why }) {
      if (item.dataset.state === 'in') return;
      item.dataset.state = refused ? 'refused' : 'wait';
      verdict.textContent = refused
        ? `Refused after ${seconds()}. It received ${heard ? 'THE CHAT' : 'nothing'}.`
        : why.message;
    },
  });
  s.on('message', () => heard++);
  s.on('people', () => heard++);
}

for (const button of document.querySelectorAll('[data-attack]')) {
  button.addEventListener('click', () => attack(button.dataset.attack));
}
