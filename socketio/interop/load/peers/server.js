'use strict'
// The servers in Node that the load program measures beside those in Go. They
// say "ready" and their address, and then answer what is asked on the standard
// input, a line each, as serve.go does.
const [kind, mode] = process.argv.slice(2)
const { secret, algorithm, broadcasts } = JSON.parse(process.env.SOCKETIO_JWT_LOAD_KEY)
const http = require('http').createServer()
const verify = { secret, algorithms: [algorithm], audience: 'chat', issuer: 'https://load.example/' }
const path = '/socket.io/'
let authenticated = 0
let io
if (kind === 'node2') {
  const jwt = require('socketio-jwt')
  io = require('sio2')(http, { path, serveClient: false })
  if (mode === 'event') {
    io.sockets.on('connection', jwt.authorize({ ...verify, timeout: 15000 })).on('authenticated', () => { authenticated++ })
  } else {
    io.use(jwt.authorize({ ...verify, handshake: true }))
    io.on('connection', () => { authenticated++ })
  }
} else {
  const { authorize } = require('@thream/socketio-jwt')
  io = new (require('sio4').Server)(http, { path, serveClient: false })
  io.use(authorize(verify))
  io.on('connection', () => { authenticated++ })
}

io.on('connection', socket => {
  socket.on('echo', (text, ack) => ack(text))
  socket.on('join', ack => { socket.join('crowd'); ack('') })
})

const news = 'a text of a hundred bytes, more or less, as chats have them: the quick brown fox jumps over the lazy dog'
const answer = {
  broadcasts (n) { for (let i = 0; i < n; i++) io.emit('news', news); return this.use() },
  'broadcast all' () { io.emit('news', news); return this.use() },
  'broadcast crowd' () { io.to('crowd').emit('news', news); return this.use() },
  use () {
    const { user, system } = process.cpuUsage()
    return { cpu: (user + system) * 1000 }
  },
  rest () {
    for (let i = 0; i < 4; i++) global.gc()
    const { rss, heapUsed, external } = process.memoryUsage()
    return { heap: heapUsed + external, rss }
  }
}
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const [, several] = line.match(/^broadcasts (\d+)$/) || []
  const usage = several ? answer.broadcasts : answer[line]
  if (!usage) process.exit()
  const sessions = io.engine.clientsCount
  console.log(JSON.stringify({ ...usage.call(answer, several), authenticated, sessions }))
}).on('close', () => process.exit())

// share has broadcasts reach the clients of all nodes.
async function share () {
  if (!broadcasts) return
  const pub = require('redis').createClient({ url: 'redis://' + broadcasts })
  const sub = pub.duplicate()
  await Promise.all([pub.connect(), sub.connect()])
  io.adapter(require('@socket.io/redis-adapter').createAdapter(pub, sub))
  while (await io.of('/').adapter.serverCount() < 1) await new Promise(resolve => setTimeout(resolve, 10))
}
share().then(() => http.listen(0, '127.0.0.1', () => console.log('ready http://127.0.0.1:' + http.address().port)))
