'use strict';

// What a client of DPoP (RFC 9449) needs, with nothing but WebCrypto.

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

const utf8 = (text) => new TextEncoder().encode(text);

const sha256 = async (text) => base64url(await crypto.subtle.digest('SHA-256', utf8(text)));

// makeKey makes a key of which the page itself never sees the private part.
async function makeKey() {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  return { sign: pair.privateKey, jwk: { kty, crv, x, y } };
}

// makeProof makes the proof that a token is presented by the client that has the key it is
// bound to, on a socket opened at the URL, now and once.
async function makeProof(key, token, url, nonce) {
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk };
  const claims = {
    jti: base64url(crypto.getRandomValues(new Uint8Array(16))),
    htm: 'GET',
    htu: url,
    iat: Math.floor(Date.now() / 1000),
    ath: await sha256(token),
  };
  if (nonce) claims.nonce = nonce;
  const input = base64url(utf8(JSON.stringify(header))) + '.' + base64url(utf8(JSON.stringify(claims)));
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.sign, utf8(input));
  return input + '.' + base64url(signature);
}
