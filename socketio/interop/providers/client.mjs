// A client on oauth4webapi. The argument is JSON: issuer, grant, resource, and what the
// grant needs. What it got is written as JSON.
import * as oauth from 'oauth4webapi';

const asked = JSON.parse(process.argv[2]);
const issuer = new URL(asked.issuer);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));
const client = { client_id: 'web' };
const authentication = oauth.ClientSecretBasic('a secret of the client');
const redirect = 'https://client.example/callback';

// A browser's cookies, as far as one provider needs them.
const cookies = new Map();
async function browse(url, options = {}) {
  for (;;) {
    const response = await fetch(url, { ...options, redirect: 'manual', headers: { ...options.headers, cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      if (pair.slice(at + 1)) cookies.set(pair.slice(0, at), pair.slice(at + 1));
      else cookies.delete(pair.slice(0, at));
    }
    const location = response.headers.get('location');
    if (!location) return { url, response };
    url = new URL(location, url);
    options = {};
    if (url.origin === 'https://client.example') return { url, response };
  }
}

async function clientCredentials() {
  const parameters = new URLSearchParams({ resource: asked.resource, scope: 'chat' });
  return oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters));
}

async function code() {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: 'web', redirect_uri: redirect, response_type: 'code', scope: 'openid offline_access chat', resource: asked.resource, prompt: 'consent', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const { url: callback } = await browse(url);
  const parameters = oauth.validateAuthResponse(as, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, redirect, verifier, { additionalParameters: { resource: asked.resource } });
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { requireIdToken: true });
  if (asked.logout) {
    const end = new URL(as.end_session_endpoint);
    end.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: 'https://client.example/' });
    tokens.logout = { url: end, cookies: [...cookies] };
  }
  return tokens;
}

// logout ends the session of an earlier code grant.
async function logout() {
  for (const [name, value] of asked.logout.cookies) cookies.set(name, value);
  const { url, response } = await browse(new URL(asked.logout.url));
  if (url.origin === 'https://client.example') return {};
  const page = await response.text();
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)[1];
  const action = /action="([^"]+)"/.exec(page)[1];
  await browse(new URL(action), { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ xsrf, logout: 'yes' }) });
  return {};
}

async function revoke() {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, asked.token));
  return {};
}

console.log(JSON.stringify(await { client_credentials: clientCredentials, code, logout, revoke }[asked.grant]()));
