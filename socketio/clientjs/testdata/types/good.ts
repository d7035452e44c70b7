// What must compile.
import { io, type Socket } from 'socket.io-client';
import { authenticated, type Connection, type Options, type Refusal } from './client.mjs';

interface FromServer { message(text: string): void }
interface FromClient { message(text: string): void }

// The program of docs/client.md.
const connection = authenticated(io, 'https://chat.example.com', {
  getToken: async ({ reason, signal }) => {
    const answer = await fetch('/token?reason=' + reason, { method: 'POST', signal });
    if (answer.status === 401) return null;
    if (!answer.ok) throw new Error('no token now');
    return answer.text();
  },
  onAuthenticated: (socket) => { socket.emit('hello', socket.id); },
  onStopped: (refusal) => { console.log(refusal.reason ?? 'unknown'); },
  onRetry: ({ delay, cause }) => { console.log(delay.toFixed(), cause instanceof Error ? cause.message : cause); },
});
connection.socket.on('message', (text: string) => console.log(text));
connection.join('lobby');
connection.join('org:red', { history: 20 });
connection.leave('lobby');
if (connection.state === 'stopped') connection.start();
connection.stop();

// The socket keeps the events that the application gives it.
const typed = authenticated(io as (url: string, o: object) => Socket<FromServer, FromClient>, '/chat', { getToken: () => 'token' });
typed.socket.emit('message', 'hello');
typed.socket.on('message', (text) => text.toUpperCase());

// Every option.
const options: Options<Socket> = {
  getToken: () => undefined, by: 'event', name: 'ticket', minDelay: 100, maxDelay: 1000, timeout: 5000,
  channel: null, joinEvent: 'enter', leaveEvent: 'exit', io: { transports: ['websocket'], path: '/rt' },
};
const all: Connection<Socket> = authenticated(io, '/', options);
const refusal: Refusal = { reason: 'token_revoked', message: '', code: '', retryable: false };

// Clients 1.x and 2.x have other types; whatever io returns is the socket.
declare function io2(url: string, options?: object): { emit(event: string, ...args: unknown[]): void };
authenticated(io2, '/', { getToken: async () => 'token' }).socket.emit('hello');
export { all, refusal };
