// Stands in for node:test and for socket.io-client: the suite's cases begin a client, add
// listeners to it and return. Here a case ends when one of its listeners has run, and
// fails if that listener threw. A line of JSON says how each case ended.
import { io as connect } from 'socket.io-client'

let ended // takes the end of the case that runs

export const waiting = (target) => {
  const { on } = target
  const end = ended
  target.on = (event, listener) => on.call(target, event, async (...args) => {
    try {
      await listener(...args)
      end()
    } catch (error) {
      end(error)
    }
  })
  return target
}

export const io = (...args) => waiting(connect(...args))

const run = (name, body) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve(new Error('no listener ran')), 60_000)
  ended = (error) => {
    clearTimeout(timer)
    resolve(error)
  }
  body()
}).then((error) => console.log(JSON.stringify({ name, error: error?.message })))

const group = (path, before = [], after = []) => ({
  beforeEach: (hook) => before.push(hook),
  afterEach: (hook) => after.push(hook),
  test: async (name, body) => {
    if (body.length > 0) return body(group(`${path} ${name}`)) // it takes the group
    for (const hook of before) await hook()
    await run(`${path} ${name}`, body)
    for (const hook of after) await hook()
  }
})

export default (name, body) => body(group(name))
