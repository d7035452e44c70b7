'use strict';
// A small Socket.IO client for the pages of the examples, so that they need neither npm nor a
// network. It has what the pages use: websocket, the root namespace, text. It does not
// reconnect. In your application use socket.io-client.
(() => {
  class Socket {
    constructor(url, options) {
      this.options = options;
      this.auth = options.auth;
      this.url = new URL('/socket.io/?EIO=4&transport=websocket', url || location.href);
      this.url.protocol = this.url.protocol.replace('http', 'ws');
      this.handlers = {};
      this.connected = false;
      if (options.autoConnect !== false) this.connect();
    }

    on(event, handler) {
      (this.handlers[event] ||= []).push(handler);
      return this;
    }

    off(event) {
      if (event) delete this.handlers[event];
      else this.handlers = {};
      return this;
    }

    connect() {
      if (this.ws) return this;
      const ws = this.ws = new WebSocket(this.url);
      this.acks = new Map();
      this.asked = 0;
      ws.onmessage = ({ data }) => { if (this.ws === ws) this.packet(data); };
      ws.onclose = () => { if (this.ws === ws) this.end('transport close'); };
      return this;
    }

    disconnect() {
      if (!this.ws) return this;
      if (this.connected) this.send('41');
      return this.end('io client disconnect');
    }

    close() { return this.disconnect(); }

    emit(event, ...args) {
      const ack = typeof args.at(-1) === 'function' ? args.pop() : null;
      if (!this.connected) return this;
      if (ack) this.acks.set(this.asked, ack);
      this.send('42' + (ack ? this.asked++ : '') + JSON.stringify([event, ...args]));
      return this;
    }

    // The rest is for this file only.

    send(text) { if (this.ws.readyState === WebSocket.OPEN) this.ws.send(text); }

    call(event, ...args) { for (const handler of [...this.handlers[event] || []]) handler(...args); }

    end(reason) {
      const { ws, connected } = this;
      clearTimeout(this.watch);
      this.ws = null;
      this.connected = false;
      ws.close();
      if (connected) this.call('disconnect', reason);
      else if (reason === 'transport close') this.call('connect_error', new Error('websocket error'));
      return this;
    }

    alive() {
      clearTimeout(this.watch);
      this.watch = setTimeout(() => this.end('ping timeout'), this.patience);
    }

    packet(text) {
      const [, type, id, body] = /^(0|1|2|4[0-4])(\d*)(.*)$/s.exec(text) || [];
      const data = body && body[0] !== '/' ? JSON.parse(body) : null;
      switch (type) {
        case '0': // the connection is open: ask for the namespace
          this.patience = data.pingInterval + data.pingTimeout;
          this.alive();
          if (typeof this.auth === 'function') this.auth((auth) => this.send('40' + JSON.stringify(auth)));
          else this.send('40' + (this.auth ? JSON.stringify(this.auth) : ''));
          break;
        case '1': this.end('transport close'); break;
        case '2':
          this.alive();
          this.send('3');
          break;
        case '40':
          this.id = data.sid;
          this.connected = true;
          this.call('connect');
          break;
        case '41': this.end('io server disconnect'); break;
        case '42': this.call(...data, ...id ? [(...args) => this.send('43' + id + JSON.stringify(args))] : []); break;
        case '43': {
          const ack = this.acks.get(Number(id));
          this.acks.delete(Number(id));
          if (ack) ack(...data);
          break;
        }
        case '44':
          this.ws.close();
          this.ws = null;
          this.call('connect_error', Object.assign(new Error(data.message), { data: data.data }));
          break;
      }
    }
  }

  window.io = (url, options) => typeof url === 'object' ? new Socket(undefined, url) : new Socket(url, options || {});
  window.io.protocol = 5;
  window.io.small = true;
})();
