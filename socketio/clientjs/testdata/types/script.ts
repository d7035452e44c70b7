// A page that loads client.js by <script>: the declarations name its global.
declare function io(url: string, options?: object): { emit(event: string): void };
const connection = socketioJWT.authenticated(io, '/', { getToken: () => 'token' });
connection.socket.emit('hello');
