'use strict';

// The process behind package jsserver: a Socket.IO server in a cluster, with
// @socket.io/redis-adapter, and an emitter without a server, @socket.io/redis-emitter.
// Its only argument is a JSON object: {"redis": address, "prefix": ..., "secret": ...}.
// It prints its port, is told what to do by POST /control, and exits at the end of its
// standard input.
//
// Values that JSON lacks travel as {"$bin": base64}.

const http = require('http');
const { Server } = require('socket.io');
const { createAdapter } = require('@socket.io/redis-adapter');
const { Emitter } = require('@socket.io/redis-emitter');
const { createClient } = require('redis');
const jwt = require('jsonwebtoken');

const options = JSON.parse(process.argv[2]);

function encode(value) {
  if (value === undefined) return null;
  if (value === null || typeof value !== 'object') return value;
  if (Buffer.isBuffer(value)) return { $bin: value.toString('base64') };
  if (Array.isArray(value)) return value.map(encode);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, encode(v)]));
}

function decode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$bin === 'string') return Buffer.from(value.$bin, 'base64');
  if (typeof value.$date === 'number') return new Date(value.$date);
  if (Array.isArray(value)) return value.map(decode);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, decode(v)]));
}

// target applies rooms and exceptions to a server or an emitter.
function target(io, command) {
  let to = io;
  if (command.rooms && command.rooms.length) to = to.to(command.rooms);
  if (command.except && command.except.length) to = to.except(command.except);
  if (command.volatile) to = to.volatile;
  return to;
}

async function main() {
  const pub = createClient({ url: 'redis://' + options.redis });
  const sub = pub.duplicate();
  for (const client of [pub, sub]) client.on('error', (err) => console.error(String(err)));
  await Promise.all([pub.connect(), sub.connect()]);

  const heard = []; // events of other servers
  const emitter = new Emitter(pub, { key: options.prefix });
  const httpServer = http.createServer();
  const io = new Server(httpServer, {
    allowEIO3: true,
    adapter: createAdapter(pub, sub, { key: options.prefix, requestsTimeout: options.timeout || 5000 }),
  });
  if (options.secret) {
    io.use((socket, next) => {
      const token = socket.handshake.auth.token || socket.handshake.query.token;
      try {
        const claims = jwt.verify(token, Buffer.from(options.secret, 'base64'), {
          algorithms: ['HS256'],
          issuer: options.issuer || undefined,
          audience: options.audience || undefined,
        });
        socket.data.name = claims.name || claims.sub;
        socket.join('user:' + claims.sub);
        next();
      } catch (err) {
        next(Object.assign(new Error('unauthorized'), { data: { code: 'invalid_token' } }));
      }
    });
  }
  io.on('connection', (socket) => {
    socket.data.node = 'Node.js';
    if (options.secret) {
      io.serverSideEmit('people');
      socket.on('disconnect', () => io.serverSideEmit('people'));
    }
    socket.on('join', (room, ack) => {
      socket.join(room);
      if (ack) ack(socket.id);
    });
    socket.on('message', (text, ack) => {
      io.emit('message', { from: socket.data.name, text: String(text) });
      if (ack) ack('');
    });
  });
  io.on('question', (...args) => {
    const ack = args.pop();
    heard.push(['question', ...args]);
    if (typeof ack === 'function') ack({ node: 'node.js', args });
    else heard[heard.length - 1].push(ack);
  });
  io.on('who', (ack) => ack('Node.js'));
  io.on('news', (...args) => heard.push(['news', ...args]));

  const operations = {
    emit: (c) => target(io, c).emit(...decode(c.args)),
    emitWithAck: async (c) => encode(await target(io, c).timeout(c.timeout || 5000).emitWithAck(...decode(c.args))),
    fetch: async (c) => (await target(io, c).fetchSockets()).map((s) => ({ id: s.id, handshake: s.handshake, rooms: [...s.rooms], data: s.data })),
    join: (c) => target(io, c).socketsJoin(c.names),
    leave: (c) => target(io, c).socketsLeave(c.names),
    disconnect: (c) => target(io, c).disconnectSockets(c.close),
    serverSideEmit: (c) => io.serverSideEmit(...decode(c.args)),
    serverSideEmitWithAck: async (c) => encode(await io.serverSideEmitWithAck(...decode(c.args))),
    allRooms: async () => [...(await io.of('/').adapter.allRooms())],
    count: () => io.of('/').adapter.serverCount(),
    emitToNumber: () => {
      io.to(12).emit('event', 'to 12');
      io.to([12, 13]).emit('event', 'to 12 and 13');
    },
    heard: () => encode(heard),
    emitterEmit: (c) => target(emitter, c).emit(...decode(c.args)),
    emitterJoin: (c) => target(emitter, c).socketsJoin(c.names),
    emitterLeave: (c) => target(emitter, c).socketsLeave(c.names),
    emitterDisconnect: (c) => target(emitter, c).disconnectSockets(c.close),
    emitterServerSideEmit: (c) => emitter.serverSideEmit(...decode(c.args)),
    publish: (c) => pub.publish(c.channel, Buffer.from(c.data, 'base64')),
    usage: () => process.cpuUsage(),
  };

  const socketIO = httpServer.listeners('request').slice();
  httpServer.removeAllListeners('request');
  httpServer.on('request', (req, res) => {
    if (req.url !== '/control') {
      for (const f of socketIO) f.call(httpServer, req, res);
      return;
    }
    let body = '';
    req.setEncoding('utf8');
    req.on('data', (chunk) => (body += chunk));
    req.on('end', async () => {
      const answer = {};
      try {
        const command = JSON.parse(body);
        const result = await operations[command.op](command);
        answer.result = typeof result === 'object' || typeof result === 'number' ? result : null;
      } catch (err) {
        answer.failure = String(err);
      }
      res.end(JSON.stringify(answer));
    });
  });
  httpServer.listen(0, '127.0.0.1', () => console.log(httpServer.address().port));
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
main().catch((err) => {
  console.error(err);
  process.exit(1);
});
