// An OpenID provider on the certified npm package oidc-provider, over TLS. Its settings
// come as JSON in the environment variable SETTINGS: port, key, cert and ca (PEM files),
// jwks (private keys), alg, backchannel (a URL that is told of logouts), sid (access tokens
// have it).
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { X509Certificate } from 'node:crypto';
import { Provider } from 'oidc-provider';

const settings = JSON.parse(process.env.SETTINGS);
const issuer = `https://localhost:${settings.port}`;

// Access tokens of these APIs are JWTs (RFC 9068); those of opaque.example are not.
const resources = {
  'https://chat.example': 'jwt',
  'https://mail.example': 'jwt',
  'https://opaque.example': 'opaque',
};

const client = {
  client_id: 'web',
  id_token_signed_response_alg: settings.alg,
  client_secret: 'a secret of the client',
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirect_uris: ['https://client.example/callback'],
  response_types: ['code'],
  scope: 'openid offline_access chat',
  post_logout_redirect_uris: ['https://client.example/'],
  ...(settings.backchannel && { backchannel_logout_uri: settings.backchannel, backchannel_logout_session_required: true }),
};

const provider = new Provider(issuer, {
  clients: [client, { ...client, client_id: 'bound', tls_client_certificate_bound_access_tokens: true }, { client_id: 'server', client_secret: 'a secret of the server', grant_types: [], redirect_uris: [], response_types: [], id_token_signed_response_alg: settings.alg }],
  jwks: settings.jwks,
  scopes: ['openid', 'offline_access', 'chat'],
  cookies: { keys: ['cookie key'] },
  conformIdTokenClaims: true,
  extraTokenClaims: (ctx) => (settings.sid ? { sid: ctx.oidc.entities.AuthorizationCode?.sid } : undefined),
  // Its own fetch refuses loopback addresses, where the server under test is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_, c, code) => c.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 'secret'), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => {
        const { raw } = ctx.socket.getPeerCertificate();
        return raw && new X509Certificate(raw);
      },
    },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => { ctx.body = form; } },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'chat', audience: resource, accessTokenTTL: 3600, accessTokenFormat: resources[resource],
        jwt: { sign: { alg: settings.alg } },
      }),
    },
  },
});

provider.on('backchannel.error', (_, error) => console.log('backchannel.error', error));
provider.on('server_error', (_, error) => console.log('server_error', error));

// Every user is ada, and agrees to everything.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) {
    return next();
  }
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: 'ada' };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    for (const resource of [params.resource].flat().filter(Boolean)) {
      grant.addResourceScope(resource, 'chat');
    }
    result.consent = { grantId: await grant.save() };
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});

const tls = { key: readFileSync(settings.key), cert: readFileSync(settings.cert), ca: readFileSync(settings.ca), requestCert: true, rejectUnauthorized: false };
createServer(tls, provider.callback())
  .listen(settings.port, '127.0.0.1', () => console.log('ready'));
