'use strict'
// Clients 4.8.4 that come back by themselves, as docs/client.md says. The first line of
// the standard input has the addresses of the servers and a token for each client; the
// lines after it are questions, each answered by a line:
//
//   state     how many are connected, what others were told since, and who stopped and why
//   shake 10  ends the connections of so many in a hundred, as a change of networks does
const { io } = require('socket.io-client')
const clients = []
let told = {}

// client connects, and connects again whenever that can help.
function client (url, token) {
  const c = { stopped: '', refusal: null, socket: io(url, { forceNew: true, transports: ['websocket'], auth: { token }, timeout: 5000, reconnectionDelayMax: 2000 }) }
  const later = () => setTimeout(() => c.socket.connect(), 500 + Math.random() * 1000)
  const refused = refusal => {
    told[refusal.reason] = (told[refusal.reason] || 0) + 1
    if (refusal.retryable) return later()
    c.stopped = refusal.reason
  }
  c.socket.on('connect', () => { c.refusal = null })
  c.socket.io.on('reconnect_attempt', () => { told.attempts = (told.attempts || 0) + 1 }) // also after a refusal that may not last: the server ends the connection
  c.socket.on('connect_error', error => { if (error.data) refused(error.data) }) // the library retries all others
  c.socket.on('unauthorized', error => { c.refusal = error.data })
  c.socket.on('disconnect', reason => {
    if (reason !== 'io server disconnect') return
    if (c.refusal) refused(c.refusal)
    else later()
  })
  clients.push(c)
}

const answer = {
  state () {
    const stopped = {}
    clients.forEach((c, i) => { if (c.stopped) stopped[i] = c.stopped })
    const state = { connected: clients.filter(c => c.socket.connected).length, told, stopped }
    told = {}
    return state
  },
  shake (percent) {
    for (const c of clients) if (c.socket.connected && Math.random() * 100 < percent) c.socket.io.engine.close()
    return {}
  }
}
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  if (!clients.length) {
    const { urls, tokens } = JSON.parse(line)
    tokens.forEach((token, i) => client(urls[i % urls.length], token))
    return
  }
  const [question, argument] = line.split(' ')
  if (!answer[question]) process.exit()
  console.log(JSON.stringify(answer[question](argument)))
}).on('close', () => process.exit())
