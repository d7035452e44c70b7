// Prints what the module does with each refusal. It reads an array of {reason, retryable}
// from standard input, and gives each to connections without a network: see reasons_test.go.
import { authenticated } from './client.mjs';

// open returns a connection whose socket does nothing. It presents the tokens one after another.
function open() {
  const handlers = {}, sent = [], seen = [];
  const socket = { io: { opts: {} }, on: (event, f) => { handlers[event] = f; }, emit: (...args) => sent.push(args), connect() {}, disconnect() {} };
  let tokens = 0;
  const io = () => socket;
  io.protocol = 5;
  const connection = authenticated(io, '', {
    minDelay: 1, maxDelay: 1, getToken: () => 'token ' + ++tokens,
    onStopped: () => seen.push('stop'), onRetry: () => seen.push('retry'),
  });
  return { connection, handlers, sent, outcome: () => seen.shift() || 'stay' };
}

async function until(condition) { while (!condition()) await new Promise((done) => setTimeout(done, 1)); }

async function live() {
  const c = open();
  await until(() => c.connection.state === 'connecting');
  c.handlers.connect();
  return c;
}

async function outcomes({ reason, retryable }) {
  const data = { type: 'UnauthorizedError', reason, retryable };

  const first = open();
  await until(() => first.connection.state === 'connecting');
  first.handlers.connect_error({ data });
  const handshake = first.outcome();
  first.connection.stop();

  const second = await live();
  second.handlers.unauthorized({ data });
  const session = second.outcome();
  second.connection.stop();

  const third = await live();
  third.handlers.token_expiring({});
  await until(() => third.sent.length === 1);
  third.handlers.unauthorized({ data });
  let renewal = third.outcome();
  if (renewal === 'stay') {
    await until(() => third.sent.length === 2);
    renewal = third.sent[1][1].token === third.sent[0][1].token ? 'the same token' : 'renew';
  }
  third.connection.stop();
  return { reason, retryable, handshake, session, renewal };
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
for (const refusal of JSON.parse(input)) console.log(JSON.stringify(await outcomes(refusal)));
process.exit(0);
