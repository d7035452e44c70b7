const tokens = new URLSearchParams(location.search).get('tokens');
let loggedIn = true;

export async function getToken({ reason, signal }) {
  if (!loggedIn) return null;
  const answer = await fetch(tokens + '&reason=' + reason, { signal, cache: 'no-store' });
  if (!answer.ok) throw new Error('the token endpoint answers ' + answer.status);
  return answer.text();
}

export async function logIn() { loggedIn = true; }
export async function logOut() { loggedIn = false; }
window.logOut = logOut;
