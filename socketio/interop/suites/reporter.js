// A reporter of mocha: one line of JSON for each case.
module.exports = function (runner) {
  const tell = (test, error) => console.log(JSON.stringify({ name: test.fullTitle(), error: error?.message }))
  runner.on('pass', (test) => tell(test))
  runner.on('fail', tell)
  runner.on('pending', (test) => tell(test, { message: 'left out' }))
}
