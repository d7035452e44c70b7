// Runs the module with real clients for the Go tests. It reads commands from
// standard input, a JSON object a line, and writes what the connections report:
//
//   {"cmd": "open", "id": 1, "version": "4.8.4", "url": ..., "tokens": ..., "options": {...}}
//   {"cmd": "start" | "stop" | "join" | "disconnect", "id": 1, "args": [...]}
//   {"id": 1, "event": "authenticated" | "retry" | "stopped", "detail": {...}}
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { authenticated } from './client.mjs';

const require = createRequire(process.argv[2] + '/driver.js');
const packages = { '1.7.4': 'sio1', '2.5.0': 'sio2', '4.8.4': 'sio4' };
const connections = new Map();

function report(id, event, detail) {
  process.stdout.write(JSON.stringify({ id, event, time: Date.now(), detail: detail || {} }) + '\n');
}

function plain(cause) {
  return { reason: cause.reason, retryable: cause.retryable, message: String(cause.message || cause) };
}

// Connections of one user share a getToken, as in an application.
const sources = new Map();
function source(address) {
  if (!sources.has(address)) {
    sources.set(address, async ({ reason, signal }) => {
      const answer = await fetch(address + '&reason=' + reason + '&at=' + Date.now(), { signal });
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error('the token endpoint answers ' + answer.status);
      return answer.text();
    });
  }
  return sources.get(address);
}

const commands = {
  open({ id, version, url, tokens, options }) {
    connections.set(id, authenticated(require(packages[version]), url, {
      getToken: source(tokens),
      onAuthenticated: () => report(id, 'authenticated'),
      onStopped: (refusal) => report(id, 'stopped', plain(refusal)),
      onRetry: ({ delay, cause }) => report(id, 'retry', { delay, ...plain(cause) }),
      ...options,
    }));
    connections.get(id).socket.on('unauthorized', (error) => report(id, 'unauthorized', plain(error.data)));
  },
  start: ({ id }) => connections.get(id).start(),
  stop: ({ id }) => connections.get(id).stop(),
  join: ({ id, args }) => connections.get(id).join(...args),
  leave: ({ id, args }) => connections.get(id).leave(...args),
  emit: ({ id, args }) => connections.get(id).socket.emit(...args),
  disconnect: ({ id }) => connections.get(id).socket.disconnect(),
  state: ({ id }) => report(id, 'state', { state: connections.get(id).state }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.cmd](command);
}).on('close', () => process.exit(0));
