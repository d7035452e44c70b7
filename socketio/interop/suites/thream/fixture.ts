// Stands in for the suite's fixture: it has the Go server start anew, with its options.
import { waiting } from '../waiting.js'

export const API_URL = 'http://localhost:9000'
export const basicProfile = { email: 'john@doe.com', id: 123 }

const call = async (path, body = {}) => {
  const answer = await fetch(`${API_URL}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.text()
}

export const fixtureStart = ({ secret, onAuthentication } = { secret: 'super secret' }) =>
  call('start', { callback: typeof secret === 'function', onAuthentication: onAuthentication != null })

export const fixtureStop = () => call('stop')

// The server of the fixture, of which the suite awaits one connection and reads its user.
export const getSocket = () => waiting({
  on: async (_event, listener) => listener({ user: JSON.parse(await call('connection')) })
})
