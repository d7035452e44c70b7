// What must not compile: the comment has the compiler's code.
import { io, type Socket } from 'socket.io-client';
import { authenticated } from './client.mjs';

const getToken = async () => 'token';
authenticated(io, '/', {}); // TS2345
authenticated(io, '/'); // TS2554
authenticated('https://chat.example.com', '/', { getToken }); // TS2345
authenticated(io, '/', { getToken: async () => 42 }); // TS2322
authenticated(io, '/', { getToken: 'token' }); // TS2322
authenticated(io, '/', { getToken: ({ cause }) => cause }); // TS2339
authenticated(io, '/', { getToken, by: 'query' }); // TS2322
authenticated(io, '/', { getToken, minDelay: '1s' }); // TS2322
authenticated(io, '/', { getToken, channel: false }); // TS2322
authenticated(io, '/', { getToken, onStop: () => {} }); // TS2353
authenticated(io, '/', { getToken, onStopped: (refusal) => refusal.why }); // TS2339
const connection = authenticated(io, '/', { getToken });
connection.socket = io('/'); // TS2540
connection.state = 'stopped'; // TS2540
connection.reconnect(); // TS2339
if (connection.state === 'open') connection.stop(); // TS2367
const typed = authenticated(io as (url: string, o: object) => Socket<{}, { message(text: string): void }>, '/', { getToken });
typed.socket.emit('mesage', 'hello'); // TS2345
