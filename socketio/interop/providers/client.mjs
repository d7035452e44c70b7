// OAuth clients on oauth4webapi. A line of input is a request in JSON; the outcome is
// a line of output. The argument is the file of an authority to trust.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { request as send } from 'node:https';
import * as oauth from 'oauth4webapi';
import * as dpop from 'dpop';

const ca = readFileSync(process.argv[2]);
const redirect = 'https://client.example/callback';
const keyPairs = new Map(); // by name

// exchange is fetch, by a new connection each time, which can have a certificate.
function exchange(url, options, tls) {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(options.headers));
    const request = send(url, { method: options.method ?? 'GET', headers, agent: false, ca, ...tls }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const got = new Headers();
        for (let i = 0; i < response.rawHeaders.length; i += 2) got.append(response.rawHeaders[i], response.rawHeaders[i + 1]);
        resolve(new Response(response.statusCode === 204 ? null : Buffer.concat(chunks), { status: response.statusCode, headers: got }));
      });
    });
    request.on('error', reject);
    request.end(options.body?.toString());
  });
}

class Client {
  constructor(asked) {
    this.asked = asked;
    this.issuer = new URL(asked.issuer);
    this.client = { client_id: asked.id };
    this.authentication = asked.secret ? oauth.ClientSecretBasic(asked.secret) : oauth.None();
    this.cookies = new Map();
    const tls = asked.cert && { cert: readFileSync(asked.cert), key: readFileSync(asked.key) };
    this.fetch = (url, options = {}) => exchange(url, options, tls);
    this.options = { [oauth.customFetch]: this.fetch };
  }

  async discover() {
    this.as = await oauth.processDiscoveryResponse(this.issuer, await oauth.discoveryRequest(this.issuer, this.options));
    if (this.asked.keyPair) {
      if (!keyPairs.has(this.asked.keyPair)) keyPairs.set(this.asked.keyPair, await oauth.generateKeyPair(this.asked.keyAlg ?? 'ES256'));
      this.options.DPoP = oauth.DPoP(this.client, keyPairs.get(this.asked.keyPair));
    }
  }

  // browse follows redirects with cookies, until they leave for the client.
  async browse(url, options = {}) {
    for (;;) {
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await this.fetch(url, { ...options, headers: { ...options.headers, ...(cookie && { cookie }) } });
      for (const line of response.headers.getSetCookie()) {
        const [pair] = line.split(';');
        const at = pair.indexOf('=');
        if (pair.slice(at + 1)) this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
        else this.cookies.delete(pair.slice(0, at));
      }
      const location = response.headers.get('location');
      if (!location) return { url, response };
      url = new URL(location, url);
      options = {};
      if (url.origin === 'https://client.example') return { url, response };
    }
  }

  parameters() {
    const { scope, resource, extra } = this.asked;
    return new URLSearchParams({ ...(scope && { scope }), ...(resource && { resource }), ...extra });
  }

  // again repeats a request whose DPoP proof needs the server's nonce.
  async again(request) {
    try {
      return await request();
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return request();
    }
  }

  client_credentials() {
    return this.again(async () => oauth.processClientCredentialsResponse(this.as, this.client,
      await oauth.clientCredentialsGrantRequest(this.as, this.client, this.authentication, this.parameters(), this.options)));
  }

  async code() {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const url = new URL(this.as.authorization_endpoint);
    url.search = new URLSearchParams([...this.parameters(), ...Object.entries({
      client_id: this.client.client_id, redirect_uri: redirect, response_type: 'code', state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })]);
    const { url: callback, response: last } = await this.browse(url);
    if (callback.origin !== 'https://client.example') throw new Error(`stopped at ${callback}: ${last.status} ${await last.text()}`);
    const parameters = oauth.validateAuthResponse(this.as, this.client, callback, state);
    const { resource } = this.asked;
    const tokens = await this.again(async () => oauth.processAuthorizationCodeResponse(this.as, this.client,
      await oauth.authorizationCodeGrantRequest(this.as, this.client, this.authentication, parameters, redirect, verifier,
        { ...this.options, additionalParameters: resource ? { resource } : {} })));
    if (this.as.end_session_endpoint && tokens.id_token) {
      const end = new URL(this.as.end_session_endpoint);
      end.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: 'https://client.example/' });
      tokens.logout = { url: end, cookies: [...this.cookies] };
    }
    return tokens;
  }

  async refresh() {
    return this.again(async () => oauth.processRefreshTokenResponse(this.as, this.client,
      await oauth.refreshTokenGrantRequest(this.as, this.client, this.authentication, this.asked.token, this.options)));
  }

  // logout ends the session of an earlier code grant.
  async logout() {
    this.cookies = new Map(this.asked.logout.cookies);
    const { url, response } = await this.browse(new URL(this.asked.logout.url));
    if (url.origin === 'https://client.example') return {};
    const page = await response.text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)[1];
    const action = /action="([^"]+)"/.exec(page)[1];
    await this.browse(new URL(action), { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ xsrf, logout: 'yes' }) });
    return {};
  }

  async revoke() {
    await oauth.processRevocationResponse(await oauth.revocationRequest(this.as, this.client, this.authentication, this.asked.token, this.options));
    return {};
  }
}

// proof makes a DPoP proof with the npm package dpop, for a request that is not ours.
async function proof({ keyPair, url, nonce, token }) {
  if (!keyPairs.has(keyPair)) keyPairs.set(keyPair, await dpop.generateKeyPair('ES256'));
  return { proof: await dpop.generateProof(keyPairs.get(keyPair), url, 'GET', nonce || undefined, token) };
}

async function answer(asked) {
  if (asked.grant === 'proof') return proof(asked);
  const client = new Client(asked);
  await client.discover();
  return client[asked.grant]();
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const say = (message) => console.log(JSON.stringify({ seq: asked.seq, ...message }));
  answer(asked).then((result) => say({ result }), (error) => say({ failure: `${asked.grant}: ${error.stack} ${JSON.stringify(error.cause) ?? ''}` }));
}
