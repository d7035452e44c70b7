// Keeps a Socket.IO connection authenticated, with socket.io-client 1.x to 4.x. The
// options are in client.d.ts, the rules in docs/client.md of
// https://github.com/seed15b1dee8/socketio-jwt

// Refusals of one token after which another token of the same login may be good.
const NEW_TOKEN_HELPS = ['token_expired', 'token_inactive', 'token_not_active', 'max_age_exceeded',
  'key_withdrawn', 'ticket_invalid', 'authentication_timeout', 'too_many_attempts'];
// Refusals that end a session, also while the answer to a renewal is due.
const SESSION_OVER = ['token_expired', 'token_inactive', 'token_revoked', 'key_withdrawn', 'session_expired', 'session_limit', 'server_restarting'];
const CLAIM_WINDOW = 100; // ms in which tabs agree on which of them gets the next token
const calls = new WeakMap(); // the running call of each getToken: one at a time

export function authenticated(io, url, options) {
  const legacy = io.protocol < 5; // clients 1.x and 2.x
  const o = Object.assign({
    by: legacy ? 'event' : 'handshake', name: 'token', minDelay: 1000, maxDelay: 30000, timeout: 20000,
    channel: 'socketio-jwt', joinEvent: 'join', leaveEvent: 'leave',
  }, options);
  const socket = io(url, Object.assign({ forceNew: true }, o.io, { autoConnect: false, reconnection: false }));
  const rooms = new Map(); // the arguments of each join, by their JSON
  let state = 'stopped'; // or waiting, fetching, connecting, authenticated
  let turn = 0; // counts changes of state: a callback of an earlier turn does nothing
  let timer, renewal; // end a state; begin a renewal
  let renewing = 0; // identifies the renewal under way, 0 for none
  let answerDue = false; // the server has not answered a renewal yet
  let token = ''; // the last one presented
  let refused = ''; // the last one that the server refused for good
  let told = null; // the refusal heard last, and when
  let failures = 0; // in a row
  let delay = 0; // the last back-off, in ms
  let since = 0; // when the last attempt began, or the session

  function enter(next) {
    clearTimeout(timer);
    if (next !== 'authenticated') clearTimeout(renewal);
    renewing = 0;
    answerDue = false;
    state = next;
    return ++turn;
  }

  function stop(refusal) {
    if (state === 'stopped') return;
    enter('stopped');
    socket.disconnect();
    if (refusal) call(o.onStopped, refusal);
  }

  function retry(cause) {
    if (state === 'authenticated' && Date.now() - since > delay) failures = 0;
    enter('waiting');
    socket.disconnect();
    delay = backoff();
    timer = setTimeout(attempt, delay);
    call(o.onRetry, { delay, cause });
  }

  function backoff() {
    return Math.min(o.maxDelay, o.minDelay * Math.pow(2, failures++)) * (0.5 + Math.random() / 2);
  }

  async function attempt() {
    const mine = enter('fetching');
    since = Date.now();
    try {
      const fresh = await obtain(told ? told.why.reason : 'connect', () => turn === mine);
      if (turn !== mine) return;
      if (!fresh) return stop({ reason: 'login_required', message: 'getToken returned no token' });
      enter('connecting');
      timer = setTimeout(() => retry(new Error('no answer in time')), o.timeout);
      told = null;
      token = fresh;
      const payload = Object.assign({}, o.io && (legacy ? o.io.query : o.io.auth), o.by === 'event' ? {} : { [o.name]: fresh });
      socket.auth = payload; // what clients 3.x and 4.x send; the others have a query, one for each namespace
      if (legacy) socket.query = new URLSearchParams(socket.io.opts.query = payload).toString();
      socket.connect();
    } catch (error) {
      if (turn === mine) retry(error);
    }
  }

  function ready() {
    enter('authenticated');
    since = Date.now();
    schedule();
    for (const args of rooms.values()) tell(o.joinEvent, args);
    call(o.onAuthenticated, socket);
  }

  function tell(event, args) { if (state === 'authenticated') socket.emit(event, ...args); }
  function over(cause) { // the connection has ended, because of a refusal if one was just told
    const why = told && Date.now() - told.at < 10000 ? told.why : null;
    if (!why || why.retryable || NEW_TOKEN_HELPS.includes(why.reason)) return retry(why || cause);
    stop(why);
  }

  // schedule renews before the server gives notice: a minute before the end, or when half
  // of the time is left. Where this machine's clock is wrong, the token's lifetime counts.
  function schedule() {
    const { exp, iat } = claims(token);
    const life = iat > 0 ? exp - iat : Infinity;
    const left = exp - Date.now() / 1000;
    const seconds = left > 0 ? Math.min(left, life) : life;
    const lead = Math.min(75, 0.6 * seconds) * (1 + Math.random() / 10);
    renewIn(seconds < 2e6 ? 1000 * (seconds - lead) : 0x7fffffff);
  }

  function renewIn(ms) {
    clearTimeout(renewal);
    renewing = 0;
    answerDue = false;
    renewal = setTimeout(renew, ms);
  }

  async function renew() {
    if (state !== 'authenticated' || renewing) return;
    clearTimeout(renewal);
    const mine = renewing = Math.random();
    try {
      const fresh = await obtain('renew', () => renewing === mine);
      if (renewing !== mine) return; // the session is over, or another tab was first
      if (fresh) replace(fresh);
      else renewIn(backoff()); // the session stays until its end: somebody may log in meanwhile
    } catch {
      if (renewing === mine) renewIn(backoff());
    }
  }

  function replace(fresh) {
    clearTimeout(renewal);
    renewing = Math.random();
    answerDue = true;
    token = fresh;
    socket.emit('authenticate', { [o.name]: fresh });
    renewal = setTimeout(() => renewIn(backoff()), o.timeout); // unless an answer comes
  }

  let claim = null; // this tab's wish to get a token
  const channel = o.channel && typeof document === 'object' && typeof BroadcastChannel === 'function'
    ? new BroadcastChannel(o.channel) : null;
  if (channel) channel.onmessage = ({ data }) => {
    if (!data || data.key !== identity(token)) return;
    if (data.id !== undefined) {
      if (claim && data.id < claim.id) claim.lost = true;
      else if (claim && data.id > claim.id) channel.postMessage({ key: data.key, id: claim.id });
    } else if (identity(data.token) === data.key && data.token !== token) {
      if (claim) claim.use(data.token);
      else if (state === 'authenticated') replace(data.token);
    }
  };

  // obtain gets a token: from another tab of the same user that asks for one too, or
  // else by getToken. wanted tells whether it is still needed.
  async function obtain(reason, wanted) {
    const key = identity(token);
    const mine = claim = { id: Math.random() };
    try {
      if (channel && key) {
        const shared = new Promise((done) => { mine.use = done; });
        channel.postMessage({ key, id: mine.id });
        let fresh = await Promise.race([shared, sleep(CLAIM_WINDOW)]);
        if (!fresh && mine.lost) fresh = await Promise.race([shared, sleep(o.timeout / 2)]);
        if (fresh) return fresh;
        mine.id = -1; // a tab that asks from now on waits for this one
      }
      while (calls.has(o.getToken)) await calls.get(o.getToken);
      if (!wanted()) return '';
      const fresh = await timely(reason);
      if (fresh && fresh === refused) throw new Error('getToken returned a token that was refused');
      if (fresh && channel && key && key === identity(fresh)) channel.postMessage({ key, token: fresh });
      return fresh;
    } finally {
      if (claim === mine) claim = null;
    }
  }

  function timely(reason) { // calls getToken, and gives it up after the timeout
    const abort = new AbortController();
    let limit;
    const result = new Promise((resolve, reject) => {
      limit = setTimeout(() => reject(new Error('getToken took too long')), o.timeout);
      Promise.resolve({ reason, signal: abort.signal }).then(o.getToken).then(resolve, reject);
    });
    const done = () => { clearTimeout(limit); abort.abort(); calls.delete(o.getToken); };
    calls.set(o.getToken, result.then(done, done));
    return result;
  }

  function refusal(why) {
    if (state !== 'connecting' && state !== 'authenticated') return;
    told = { why, at: Date.now() };
    if (!why.retryable && (state === 'connecting' || answerDue)) refused = token;
    const answers = state === 'authenticated' && answerDue && !SESSION_OVER.includes(why.reason);
    if (answers && (why.retryable || NEW_TOKEN_HELPS.includes(why.reason))) renewIn(backoff());
    else over(why);
  }

  socket.on('connect', () => {
    if (state !== 'connecting') return;
    if (o.by === 'event') socket.emit('authenticate', { [o.name]: token });
    else ready();
  });
  socket.on('authenticated', () => {
    if (state !== 'authenticated') return state === 'connecting' && ready();
    failures = 0;
    schedule();
  });
  // With a member event or room, the refusal is only about that: the session stays.
  socket.on('unauthorized', (error = {}) => error.event || error.room || refusal(error.data || error));
  socket.on('token_expiring', (notice = {}) => notice.room || renew()); // a room's token is the application's
  for (const event of ['connect_error', 'error']) {
    socket.on(event, (error) => {
      const why = (error && error.data) || error || {};
      if (why.type === 'UnauthorizedError') refusal(why);
      else if (state === 'connecting') retry(error);
    });
  }
  socket.on('disconnect', (reason) => {
    if (state !== 'connecting' && state !== 'authenticated') return;
    if (reason === 'io client disconnect') enter('stopped'); // the application closed the socket
    else over(new Error(reason));
  });

  function start() {
    if (state !== 'stopped') return;
    enter('waiting');
    failures = 0;
    told = null;
    timer = setTimeout(attempt, Math.max(0, since + o.minDelay - Date.now()));
  }
  start();

  return {
    socket, start, stop: () => stop(), get state() { return state; },
    join(...args) { rooms.set(JSON.stringify(args), args); tell(o.joinEvent, args); },
    leave(...args) { rooms.delete(JSON.stringify(args)); tell(o.leaveEvent, args); },
  };
}

function call(f, argument) { try { if (f) f(argument); } catch (error) { console.error(error); } }
function sleep(ms) { return new Promise((done) => setTimeout(done, ms)); }

function claims(token) { // of a JWT, unverified; {} of anything else
  try { return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))) || {}; } catch { return {}; }
}

function identity(token) { // the user and the purpose of a token: tabs share tokens of one identity
  const c = claims(token);
  return c.sub ? JSON.stringify([c.iss, c.sub, c.aud, c.azp || c.client_id, c.scope, c.sid, c.cnf]) : '';
}
