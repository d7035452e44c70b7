// Package providers has tests against real identity providers: oidc-provider, dex,
// zitadel/oidc and a server on ory/fosite. Each test starts one over TLS with a private
// authority, gets tokens from it with an independent client, and connects with a real
// socket.io-client. Another one has Auth0's browser SDK get the tokens, in Chromium, from
// oidc-provider in place of a tenant. It is a separate module, so that users of the library do not
// inherit its dependencies.
package providers
