// Package dpop has clients prove that they hold the key to which their access
// token is bound (DPoP, RFC 9449), so that a token that was stolen opens no
// socket.
//
// [New] makes a [Validator], which a verifier asks once the token is verified:
//
//	proof, err := dpop.New(dpop.URL("https://chat.example.com/socket.io/"))
//	v, err := verifier.New(keys, verifier.WithExtractor(dpop.Extractor()), verifier.Validate(proof))
//
// # Where the proof is
//
// A proof is a JWT that the client signs afresh each time. It travels beside the
// token:
//
//   - in the member dpop of the auth payload, {token, dpop}, of clients 3.x and
//     later, whose option auth should be a function, so that a reconnection
//     proves anew;
//   - in the header DPoP of the request that opens the connection;
//   - in the query parameter dpop, for browsers with a client that sends neither;
//   - in the argument of the event "authenticate", {token, dpop}: the first time
//     and again whenever a live socket renews its token. What the connection was
//     opened with then no longer counts.
//
// There must be exactly one. A connection that enters several guarded namespaces
// needs one for each.
//
// # What is checked
//
// The list of RFC 9449 §4.3. The method is that of the handshake, GET. The URL
// is that of the handshake, as the client sees it, without query and fragment:
// schemes ws and wss are taken for http and https, since a websocket is opened
// by a request to that very resource; otherwise two URLs are the same if they
// are after the normalization of RFC 3986 §6.2.2 and §6.2.3. The server's own
// URL is configured by [URL]. It is not taken from the Host header, which the
// client writes: a proof that another server was given could be passed on with
// it. Last of all, each proof is good once: see [Cache].
package dpop
