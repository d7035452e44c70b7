// Package verifiertest is an issuer of tokens that is real in small, for tests:
// it has keys, mints tokens, and publishes its key set and metadata over HTTP,
// as OpenID Connect Discovery and RFC 8414 ask.
//
// [NewIssuer] makes one that is reached in memory, also under a virtual clock
// (testing/synctest); [Serve] and [ServeTLS] one on a port of the loopback
// interface. What happens to real issuers is scripted: [Issuer.Rotate],
// [Issuer.Withdraw] and [Issuer.Break], which takes a [Fault].
//
//	issuer := verifiertest.ServeTLS()
//	defer issuer.Close()
//	provider, err := jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()))
//	raw := issuer.Token(verifiertest.Claims{"sub": "alice"})
//
// An Issuer is also a [verifier.KeyProvider], for tests that need no network at
// all; [Accept], [Refuse] and [VerifiedToken] are for those that need no
// verification either. Package socketio/sockettest runs handlers with them.
//
// # Contents
//
//   - Issuers: [NewIssuer], [Serve], [ServeTLS], [Issuer], [Client], [Request]
//   - Keys: [NewKey], [Key], [JWK], [AKP]
//   - Tokens: [Claims], [VerifiedToken]
//   - Faults: [Fault], [Down], [Slow], [Hang], [Trickle], [Status], [Body], [Oversize], [Redirect]
//   - Without verification: [Accept], [Refuse], [Static]
//   - Time: [Clock], [NewClock]
//
// # What it promises
//
// It uses only the standard library, so that the expectations of a test do not
// come from the code under test. Misuse panics: a test can do nothing else about
// it.
package verifiertest
