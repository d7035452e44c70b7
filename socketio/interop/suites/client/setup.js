// Loaded before the suite: each connection presents the token, as its query parameter.
const { Socket } = require('engine.io-client')
const { createTransport } = Socket.prototype
Socket.prototype.createTransport = function (...args) {
  this.opts.query = { ...this.opts.query, token: process.env.SUITE_TOKEN }
  return createTransport.apply(this, args)
}
// A case of the suite that fails leaves its fake clock to the cases after it.
exports.mochaHooks = { afterEach: () => setTimeout.clock?.uninstall() }
