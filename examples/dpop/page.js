'use strict';

const $ = (id) => document.getElementById(id);

let me = null; // {key, token}
let nonce = ''; // what the server gave last
let lastProof = '';

const here = location.origin + '/socket.io/';

// ---- logging in ----

$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  $('login-error').textContent = '';
  try {
    const key = await makeKey();
    const answer = await fetch('/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: $('name').value, jwk: key.jwk }),
    });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    me = { key, token: (await answer.json()).token };
    for (const button of document.querySelectorAll('[data-try]')) button.disabled = false;
    show();
    attempt('owner');
  } catch (error) {
    $('login-error').textContent = error.message;
  }
});

// ---- presenting it ----

// credentials are what the buttons present.
const credentials = {
  owner: async () => {
    lastProof = await makeProof(me.key, me.token, here, nonce);
    show();
    return { token: me.token, dpop: lastProof };
  },
  unproved: async () => ({ token: me.token }),
  replay: async () => ({ token: me.token, dpop: lastProof }),
  key: async () => ({ token: me.token, dpop: await makeProof(await makeKey(), me.token, here, nonce) }),
  url: async () => ({ token: me.token, dpop: await makeProof(me.key, me.token, 'https://evil.example/socket.io/', nonce) }),
};

// attempt opens a socket and authenticates it. A server that asks for a nonce gets
// another proof, on the same socket.
function attempt(kind) {
  const owner = kind === 'owner';
  const row = addAttempt(document.querySelector('[data-try=' + kind + ']').textContent);
  const socket = io({ forceNew: true, reconnection: false });
  let proven = 0;
  const present = async () => {
    proven++;
    socket.emit('authenticate', await credentials[kind]());
  };
  socket.on('connect', present);
  socket.on('authenticated', () => {
    socket.emit('whoami', (name) => {
      row(owner, 'accepted, as ' + name, proven > 1 ? 'after a proof with the nonce that the server asked for' : '');
      socket.close();
    });
    setStatus('in', 'the last socket was accepted');
  });
  socket.on('unauthorized', (error, acknowledge) => {
    const { code, message, nonce: fresh } = error.data;
    if (fresh) nonce = fresh;
    if (code === 'use_dpop_nonce' && proven < 2) return present();
    row(!owner, 'refused: ' + message, code);
    setStatus('refused', 'the last socket was refused');
    acknowledge();
  });
  socket.on('connect_error', () => row(false, 'the server cannot be reached', ''));
}

for (const button of document.querySelectorAll('[data-try]')) {
  button.addEventListener('click', () => attempt(button.dataset.try));
}

// ---- showing it ----

function decode(part) {
  const binary = atob(part.replace(/-/g, '+').replace(/_/g, '/'));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
}

function show() {
  $('nothing').hidden = true;
  const rows = [];
  const add = (of, name, value) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    const cell = document.createElement('td');
    cell.textContent = value;
    row.append(head, cell);
    row.title = of;
    rows.push(row);
  };
  const claims = decode(me.token.split('.')[1]);
  add('the token', 'sub', claims.sub + ', in the token');
  add('the token', 'cnf.jkt', claims.cnf.jkt + ': the thumbprint of your key');
  if (lastProof) {
    const proof = decode(lastProof.split('.')[1]);
    add('the proof', 'htm', proof.htm + ', in the proof: how the connection is opened');
    add('the proof', 'htu', proof.htu + ': where');
    add('the proof', 'iat', new Date(proof.iat * 1000).toLocaleTimeString() + ': when');
    add('the proof', 'jti', proof.jti + ': its name, good once');
    add('the proof', 'ath', proof.ath + ': the hash of the token');
    add('the proof', 'nonce', proof.nonce || 'none yet');
  }
  $('claims').replaceChildren(...rows);
}

// addAttempt adds a line and returns what sets its outcome: whether it is the one
// that was hoped for, and what it was.
function addAttempt(what) {
  const item = document.createElement('li');
  item.dataset.state = 'wait';
  const [name, verdict, detail] = [0, 1, 2].map(() => document.createElement('p'));
  name.textContent = what;
  verdict.className = 'verdict';
  verdict.textContent = '…';
  detail.className = 'detail';
  item.append(name, verdict, detail);
  $('attempts').prepend(item);
  return (good, text, more) => {
    item.dataset.state = good ? 'refused' : 'in'; // as the stylesheet colours a thief's attempts
    verdict.textContent = text;
    detail.textContent = more;
  };
}

function setStatus(state, text) {
  $('status').dataset.state = state;
  $('status').textContent = text;
}

if (!window.crypto || !crypto.subtle) {
  $('broken').hidden = false;
  $('broken').textContent = 'This browser makes keys on https pages and on localhost only.';
}
