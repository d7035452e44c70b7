// Stands in for the suite's fixtures: it has the Go server start anew, with their
// options. NAME is the fixture's file name.
const call = (path, body, callback) => fetch(`http://localhost:9000/${path}`, { method: 'POST', body: JSON.stringify(body) })
  .then((r) => r.ok ? callback() : r.text().then((text) => callback(new Error(text))), callback)
exports.start = (options, callback) => {
  if (typeof options === 'function') [options, callback] = [{}, options]
  call('start', { fixture: NAME, handshake: true, ...options }, callback)
}
exports.stop = (callback) => { call('stop', {}, callback) }
