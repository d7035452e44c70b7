'use strict';

// The process behind package jsclient: it reads commands from standard input,
// one JSON object a line, and writes replies and events to standard output in
// the same form. Any number of Socket.IO clients live in it.
//
//   command  {"seq": 7, "cmd": "connect", "id": 3, ...}
//   reply    {"seq": 7, "result": ...} or {"seq": 7, "failure": "..."}
//   event    {"client": 3, "event": "connect", "args": []}
//   answer   {"client": 3, "answer": 5, "args": [...]}      to an acknowledged emit
//
// Values that JSON lacks travel as {"$bin": base64}, {"$ack": n} for a function
// the server waits for, and {"$error": name, "message": ...} for an Error.

const http = require('http');
const { performance } = require('perf_hooks');

const packages = { '1.7.4': 'sio1', '2.5.0': 'sio2', '3.1.3': 'sio3', '4.0.0': 'sio40', '4.8.4': 'sio4' };

const lifecycle = {
  socket: ['connect', 'disconnect', 'error', 'connect_error', 'connect_timeout'],
  manager: ['reconnect', 'reconnect_attempt', 'reconnect_error', 'reconnect_failed'],
  engine: ['upgrade', 'upgradeError', 'close'],
};

function library(version) {
  const name = packages[version];
  if (!name) throw new Error('no client of version ' + version);
  return require(name);
}

const isModern = (version) => !/^[12]\./.test(version);

function send(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

// ---- values ----

function encode(value, keepAck) {
  if (typeof value === 'function') return { $ack: keepAck ? keepAck(value) : 0 };
  if (value === null || typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) {
    return { $bin: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
  if (value instanceof ArrayBuffer) return { $bin: Buffer.from(value).toString('base64') };
  if (value instanceof Error) return encodeError(value);
  if (Array.isArray(value)) return value.map((v) => encode(v, keepAck));
  const out = {};
  for (const key of Object.keys(value)) out[key] = encode(value[key], keepAck);
  return out;
}

// The clients hang whole requests and sockets on their errors; only what says
// something about the failure is passed on.
function encodeError(err) {
  const out = { $error: err.name, message: err.message };
  for (const key of ['type', 'code', 'data']) {
    if (err[key] !== undefined) out[key] = encode(err[key]);
  }
  const description = err.description;
  if (typeof description === 'number' || typeof description === 'string') out.description = description;
  else if (description && typeof description.message === 'string') out.description = description.message;
  return out;
}

function decode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value.$bin === 'string') return Buffer.from(value.$bin, 'base64');
  const out = {};
  for (const key of Object.keys(value)) out[key] = decode(value[key]);
  return out;
}

// ---- what the generations of the client call differently ----

function open(command) {
  const options = Object.assign({ forceNew: !command.multiplex }, decode(command.extra || {}));
  if (command.transports) options.transports = command.transports;
  if (command.query) options.query = command.query;
  if (command.headers) options.extraHeaders = command.headers;
  if (command.auth !== undefined) options.auth = decode(command.auth);
  if (command.agent) options.agent = command.agent;
  return library(command.version)(command.url + (command.namespace || ''), options);
}

const isReconnecting = (manager) => Boolean(manager.reconnecting || manager._reconnecting);

const transportOf = (manager) => (manager.engine && manager.engine.transport ? manager.engine.transport.name : '');

const isClosed = (engine) => !engine || engine.readyState === 'closed' || engine.readyState === '';

// Calls done once the connection is really gone. A client that is told to close
// while a request is under way finishes that first.
function whenClosed(engine, done) {
  if (isClosed(engine)) return done();
  const timer = setTimeout(finish, 5000);
  function finish() {
    clearTimeout(timer);
    engine.off('close', finish);
    done();
  }
  engine.once('close', finish);
}

// Reports each event of the server as an application sees it: in its order, and
// after "connect" if it came before. Clients 1.x and 2.x have no catch-all
// listener, so one is added for a name when it is first seen.
function onEveryEvent(socket, report) {
  if (socket.onAny) {
    socket.onAny((name, ...args) => report(name, args));
    return;
  }
  const known = new Set(lifecycle.socket);
  const deliver = socket.onevent;
  socket.onevent = function (packet) {
    const name = packet.data && packet.data[0];
    if (typeof name === 'string' && !known.has(name)) {
      known.add(name);
      socket.on(name, (...args) => report(name, args));
    }
    return deliver.call(this, packet);
  };
}

// ---- single clients ----

const clients = new Map();

class Client {
  constructor(command) {
    this.id = command.id;
    this.version = command.version;
    this.acks = new Map();
    this.nextAck = 1;
    this.probes = 0;
    this.watched = new WeakSet();
    this.pingsUnderWay = 0;
    this.socket = open(command);

    const socket = this.socket;
    for (const name of lifecycle.socket) {
      // The modern client may pass a second argument to "disconnect" whose
      // content depends on how the connection ended.
      socket.on(name, (...args) => this.report(name, name === 'disconnect' ? args.slice(0, 1) : args));
    }
    for (const name of lifecycle.manager) {
      (isModern(this.version) ? socket.io : socket).on(name, (...args) => this.report(name, args));
    }
    socket.on('connect', () => {
      for (const e of command.onConnect || []) this.emit(e);
    });
    if (command.callsBack) {
      socket.on('unauthorized', (error, callback) => {
        try {
          callback();
        } catch (e) {
          this.report('threw', [e.message]);
        }
      });
    }
    if (command.connectAgain) {
      socket.on('disconnect', () => {
        if (!this.closing) socket.connect();
      });
    }
    onEveryEvent(socket, (name, args) => this.report(name, args));
    this.watch();
    socket.io.on('open', () => this.watch());
  }

  // The connection is a new object after each reconnect.
  watch() {
    const engine = this.socket.io.engine;
    if (!engine || this.watched.has(engine)) return;
    this.watched.add(engine);
    for (const name of lifecycle.engine) {
      engine.on(name, (arg) => this.report('engine:' + name, [arg && arg.name && name === 'upgrade' ? arg.name : arg]));
    }
    this.pingsUnderWay = 0;
    engine.on('packetCreate', (packet) => {
      if (packet.type === 'ping') this.pingsUnderWay++;
    });
    engine.on('pong', () => {
      this.pingsUnderWay--;
    });
  }

  report(name, args) {
    const keepAck = (fn) => {
      this.acks.set(this.nextAck, fn);
      return this.nextAck++;
    };
    send({ client: this.id, event: name, args: args.filter((a) => a !== undefined).map((a) => encode(a, keepAck)) });
  }

  emit(command) {
    const args = (command.args || []).map(decode);
    if (command.answer) {
      args.push((...answer) => {
        send({ client: this.id, answer: command.answer, args: answer.map((a) => encode(a)) });
      });
    }
    this.socket.emit(command.event, ...args);
  }

  ack(command) {
    const fn = this.acks.get(command.ack);
    if (!fn) throw new Error('no acknowledgement ' + command.ack);
    this.acks.delete(command.ack);
    fn(...(command.args || []).map(decode));
  }

  state() {
    const manager = this.socket.io;
    return {
      connected: this.socket.connected,
      reconnecting: isReconnecting(manager),
      transport: transportOf(manager),
      engine: manager.engine ? manager.engine.readyState : '',
      id: this.socket.id || '',
      sid: (manager.engine && manager.engine.id) || '',
      pendingEmits: this.socket.sendBuffer.length,
    };
  }

  // Calls done when the server has answered a packet of the connection itself,
  // so that whatever it wrote before has been seen. Clients 1.x and 2.x may ping
  // at any time; in the protocol of later ones only the server pings, but it
  // answers a CONNECT for a namespace that does not exist.
  barrier(done) {
    const engine = this.socket.io.engine;
    if (isClosed(engine)) return done('the connection is closed');
    const onClose = () => done('the connection closed');
    if (isModern(this.version)) {
      const probe = this.socket.io.socket('/barrier-' + this.id + '-' + this.probes++);
      const answered = (failure) => {
        engine.off('close', onClose);
        probe.off();
        if (probe.active) probe.disconnect();
        delete this.socket.io.nsps[probe.nsp];
        done(failure);
      };
      probe.once('connect_error', () => answered());
      probe.once('connect', () => answered());
      engine.once('close', onClose);
      return;
    }
    let wanted = this.pingsUnderWay + 1;
    const onPong = () => {
      if (--wanted > 0) return;
      engine.off('pong', onPong);
      engine.off('close', onClose);
      done();
    };
    engine.on('pong', onPong);
    engine.once('close', onClose);
    engine.ping();
  }

  // Cuts the connection without a close packet, as a lost network does.
  drop() {
    const transport = this.socket.io.engine.transport;
    if (!transport.ws) throw new Error('only a websocket can be dropped');
    transport.ws.terminate();
  }

  // Closes the client for good. One that came back would meet the server of a
  // later test on the same port.
  close(done, fail) {
    const manager = this.socket.io;
    const engine = manager.engine;
    this.closing = true;
    this.socket.disconnect();
    const others = [...clients.values()].some((c) => c !== this && c.socket.io === manager);
    clients.delete(this.id);
    if (others) return done();
    // A test server of the same port must not meet a manager of an earlier one.
    const managers = library(this.version).managers || {};
    for (const key of Object.keys(managers)) {
      if (managers[key] === manager) delete managers[key];
    }
    whenClosed(engine, () => {
      const state = manager._readyState || manager.readyState;
      if (state === 'closed' && !isReconnecting(manager)) return done();
      fail('the client connects again after close: ' + state);
    });
  }
}

// ---- many clients ----

const held = new Map();

const newSum = () => ({ ok: 0, failures: {}, samples: [], transports: {}, payloads: {}, overlapped: 0, times: [] });

function count(counts, key) {
  counts[key] = (counts[key] || 0) + 1;
}

const describe = (value) => {
  if (value instanceof Error) {
    const e = encodeError(value);
    return e.description === undefined ? e.message : e.message + ' (' + e.description + ')';
  }
  return typeof value === 'string' ? value : JSON.stringify(encode(value));
};

function placeToken(command, token) {
  const c = Object.assign({}, command);
  switch (command.tokenIn) {
    case 'query':
      c.query = Object.assign({}, command.query, { token });
      break;
    case 'namespace':
      c.namespace = (command.namespace || '/') + '?token=' + encodeURIComponent(token);
      break;
    case 'header':
      c.headers = Object.assign({}, command.headers, { Authorization: 'Bearer ' + token });
      break;
    case 'cookie':
      c.headers = Object.assign({}, command.headers, { Cookie: command.cookie + '=' + token });
      break;
    case 'auth':
      c.auth = { token };
      break;
  }
  return c;
}

// One client of a storm, from opening to closing. The promise always resolves.
function run(command, index, sum) {
  return new Promise((resolve) => {
    const tokens = command.tokens || [];
    const token = tokens.length ? tokens[index % tokens.length] : undefined;
    const started = performance.now();
    const socket = open(placeToken(command, token));
    const manager = socket.io;
    const modern = isModern(command.version);
    let stage = 'opening';
    let finished = false;

    const timer = setTimeout(() => fail('no progress in time while ' + stage), command.timeout);

    function fail(reason) {
      if (finished) return;
      count(sum.failures, reason);
      if (sum.samples.length < 5) sum.samples.push({ index, reason, stage, transport: transportOf(manager) });
      finish();
    }

    function succeed() {
      if (finished) return;
      sum.ok++;
      sum.times.push(performance.now() - started);
      finish(command.hold);
    }

    function finish(keep) {
      finished = true;
      clearTimeout(timer);
      count(sum.transports, transportOf(manager) || 'none');
      if (keep) {
        const group = held.get(command.hold) || [];
        group.push(socket);
        held.set(command.hold, group);
        return resolve();
      }
      const engine = manager.engine;
      socket.disconnect();
      whenClosed(engine, resolve);
    }

    // Most failures look alike in every mode.
    socket.on('connect_error', (err) => {
      if (command.mode === 'refused' && modern && err.data) return refused(err.data);
      fail('connect_error: ' + describe(err));
    });
    socket.on('connect_timeout', () => fail('connect_timeout'));
    socket.on('error', (err) => {
      if (command.mode === 'refused' && !(err instanceof Error)) return refused(err);
      fail('error: ' + describe(err));
    });
    socket.on('disconnect', (reason) => {
      if (stage === 'refused') return stopped(reason);
      fail('disconnect: ' + reason + ' while ' + stage);
    });
    socket.on('unauthorized', (err, ack) => {
      if (command.mode !== 'refused') return fail('unauthorized: ' + describe(err));
      refused(err);
      if (typeof ack === 'function') ack();
    });

    // A refusal is complete when the client has given up for good.
    function refused(payload) {
      count(sum.payloads, JSON.stringify(encode(payload)));
      stage = 'refused';
      if (modern && !socket.connected) stopped('io server disconnect');
    }
    function stopped(reason) {
      if (reason !== 'io server disconnect') return fail('refused, then disconnect: ' + reason);
      if (isReconnecting(manager) || !manager.skipReconnect) return fail('refused, but reconnecting');
      succeed();
    }

    let connects = 0;
    socket.on('connect', () => {
      if (finished) return;
      if (++connects > 1) return fail('connected twice');
      if (command.authenticate) {
        stage = 'authenticating';
        socket.emit('authenticate', { token });
        return;
      }
      if (command.mode === 'refused') return fail('connected instead of being refused');
      admitted();
    });
    socket.on('authenticated', () => {
      if (command.mode === 'refused') return fail('authenticated instead of being refused');
      if (command.authenticate && stage === 'authenticating') admitted();
    });

    function admitted() {
      if (command.traffic) return traffic();
      if (!command.roundTrip) return settle();
      stage = 'waiting for an acknowledgement';
      socket.emit(command.roundTrip, index, (answer) => {
        if (answer !== index) return fail('acknowledged with another value');
        settle();
      });
    }

    function traffic() {
      stage = 'exchanging events';
      const { start, down, up, downs, ups, gap } = command.traffic;
      let received = 0;
      let answered = 0;
      let before = -1; // how much had come when the transport changed
      manager.engine.on('upgrade', () => {
        before = received + answered;
      });
      const progress = () => {
        if (received + answered < downs + ups) return;
        if (before > 0 && before < downs + ups) sum.overlapped++;
        settle();
      };
      socket.on(down, (i) => {
        if (i !== received) return fail('server events out of order or lost');
        received++;
        progress();
      });
      socket.emit(start, downs);
      let sent = 0;
      const next = () => {
        if (finished || sent === ups) return;
        const i = sent++;
        socket.emit(up, i, (answer) => {
          if (answer !== i) return fail('acknowledged with another value');
          if (i !== answered) return fail('acknowledgements out of order or lost');
          answered++;
          progress();
        });
        setTimeout(next, gap);
      };
      next();
    }

    // A default client counts as connected once it is on its last transport.
    function settle() {
      const engine = manager.engine;
      const more = (engine.upgrades || engine._upgrades || []).length > 0;
      if (engine.transport.name === 'websocket' || !more) return succeed();
      stage = 'upgrading';
      engine.once('upgrade', succeed);
      engine.once('upgradeError', (err) => fail('upgradeError: ' + describe(err)));
    }
  });
}

async function storm(command) {
  if (command.keepAlive) {
    command = Object.assign({}, command);
    command.agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  }
  const sum = newSum();
  const began = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < command.n) await run(command, next++, sum);
  };
  await Promise.all(Array.from({ length: Math.min(command.concurrency, command.n) }, lane));
  if (command.agent) command.agent.destroy();
  const times = sum.times.sort((a, b) => a - b);
  const at = (share) => (times.length ? times[Math.min(times.length - 1, Math.floor(times.length * share))] : 0);
  delete sum.times;
  return Object.assign(sum, { ms: performance.now() - began, p50: at(0.5), p99: at(0.99), max: at(1) });
}

function release(group) {
  const sockets = held.get(group) || [];
  held.delete(group);
  return Promise.all(
    sockets.map((socket) => new Promise((resolve) => {
      const engine = socket.io.engine;
      socket.disconnect();
      whenClosed(engine, resolve);
    })),
  ).then(() => sockets.length);
}

// ---- commands ----

function clientOf(command) {
  const client = clients.get(command.id);
  if (!client) throw new Error('no client ' + command.id);
  return client;
}

const commands = {
  connect(command, done) {
    clients.set(command.id, new Client(command));
    done();
  },
  emit(command, done) {
    clientOf(command).emit(command);
    done();
  },
  ack(command, done) {
    clientOf(command).ack(command);
    done();
  },
  state(command, done) {
    done(clientOf(command).state());
  },
  barrier(command, done, fail) {
    clientOf(command).barrier((failure) => (failure ? fail(failure) : done()));
  },
  // What a client will present the next time it connects.
  present(command, done) {
    const { socket } = clientOf(command);
    if (command.auth !== undefined) socket.auth = decode(command.auth);
    if (command.query) socket.io.opts.query = command.query;
    done();
  },
  open(command, done) {
    clientOf(command).socket.connect();
    done();
  },
  drop(command, done) {
    clientOf(command).drop();
    done();
  },
  close(command, done, fail) {
    clientOf(command).close(done, fail);
  },
  storm(command, done) {
    storm(command).then(done);
  },
  release(command, done) {
    release(command.group).then(done);
  },
  stats(command, done) {
    const memory = process.memoryUsage();
    const heldSockets = [...held.values()].reduce((n, group) => n + group.length, 0);
    done({ clients: clients.size, held: heldSockets, rss: memory.rss, heap: memory.heapUsed });
  },
};

function handle(line) {
  const command = JSON.parse(line);
  const fail = (failure) => send({ seq: command.seq, failure });
  try {
    commands[command.cmd](command, (result) => send({ seq: command.seq, result: result === undefined ? null : result }), fail);
  } catch (err) {
    fail(String((err && err.stack) || err));
  }
}

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) handle(line);
});
// The tests are over, or their process is gone.
process.stdin.on('end', () => process.exit(0));

send({ ready: process.version });
