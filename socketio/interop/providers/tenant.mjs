// Stands in for an Auth0 tenant: the certified npm package oidc-provider at the addresses and
// with the habits of Auth0 that its browser SDK depends on. The settings come as JSON in the
// environment variable SETTINGS: pages (origins) and jwks (private keys). It writes "ready"
// and its address.
//
// GET /test?lifetime=5 sets the lifetime of access tokens in seconds. GET /test?withdraw=all
// withdraws what the users have agreed to, with all refresh tokens.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { pages, jwks } = JSON.parse(process.env.SETTINGS);
const server = createServer().listen(0, '127.0.0.1', serve);
const grants = new Set();
let lifetime = 120;

function serve() {
  const issuer = `http://127.0.0.1:${server.address().port}/`;
  const provider = new Provider(issuer, configuration(issuer));
  provider.on('server_error', (_, error) => console.log('server_error', error));
  provider.use((ctx, next) => route(provider, ctx, next));
  server.on('request', provider.callback());
  console.log('ready', issuer);
}

function configuration(issuer) {
  return {
    clients: [{
      client_id: 'your-client-id', token_endpoint_auth_method: 'none', response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'], redirect_uris: pages, post_logout_redirect_uris: pages,
    }],
    jwks,
    routes: {
      authorization: '/authorize', token: '/oauth/token', revocation: '/oauth/revoke', userinfo: '/userinfo',
      jwks: '/.well-known/jwks.json', end_session: '/oidc/logout',
    },
    scopes: ['openid', 'offline_access'],
    claims: { profile: ['name'], email: ['email'] },
    extraParams: ['audience'],
    cookies: { keys: ['cookie key'] },
    clientBasedCORS: (_, origin) => pages.includes(origin),
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: 'Ada', email: 'ada@example.com' }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    formats: {
      customizers: {
        jwt: (_, token, parts) => { // as Auth0's access tokens are
          parts.header = { typ: 'JWT' };
          parts.payload.azp = parts.payload.client_id;
          parts.payload.aud = [parts.payload.aud, `${issuer}userinfo`];
          delete parts.payload.client_id;
        },
      },
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      webMessageResponseMode: { enabled: true, ack: 'individual-draft-01' },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = `${form}<script>const form = document.forms[0]; form.innerHTML += '<input name="logout" value="yes">'; form.submit();</script>`; },
      },
      resourceIndicators: { // a token without an audience is opaque
        enabled: true,
        defaultResource: (ctx) => ctx.oidc.params.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({ scope: '', audience: resource, accessTokenTTL: lifetime, accessTokenFormat: 'jwt' }),
      },
    },
  };
}

async function route(provider, ctx, next) {
  if (ctx.path.startsWith('/interaction/')) return interact(provider, ctx);
  if (ctx.path === '/v2/logout') {
    const { client_id: id, returnTo } = ctx.query;
    return ctx.redirect(`/oidc/logout?${new URLSearchParams({ client_id: id, post_logout_redirect_uri: returnTo })}`);
  }
  if (ctx.path !== '/test') return next();
  lifetime = Number(ctx.query.lifetime ?? lifetime);
  if (ctx.query.withdraw) {
    for (const id of grants) await (await provider.Grant.find(id))?.destroy();
    grants.clear();
  }
  ctx.body = 'done';
}

// interact has every user log in as Ada, who agrees to everything.
async function interact(provider, ctx) {
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: 'auth0|ada' };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    if (params.audience) grant.addResourceScope(params.audience, params.scope);
    result.consent = { grantId: await grant.save() };
    grants.add(result.consent.grantId);
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
}
