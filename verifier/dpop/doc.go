// Package dpop verifies that a client has the key to which its access token is bound
// (DPoP, RFC 9449). A stolen token is then useless.
//
// [New] makes a [Validator], which a verifier calls after it has verified the token:
//
//	proof, err := dpop.New(dpop.URL("https://chat.example.com/socket.io/"))
//	v, err := verifier.New(keys, verifier.WithExtractor(dpop.Extractor()), verifier.Validate(proof))
//
// # Contents
//
//   - Build: [New], [Validator], [Option], [URL], [TrustForwarded], [Algorithms], [AllowBearer]
//   - Where the token and the proof are: [Extractor], [Header]
//   - Time: [MaxAge], [ClockTolerance], [WithClock], [Nonces]
//   - Proofs that were used: [Cache], [CacheFunc], [WithCache], [CacheSize]
//   - Keys: [Thumbprint]
//
// # Where the client puts the proof
//
// A proof is a JWT that the client signs anew for each use. It may be in one of these
// places:
//
//   - the member dpop of the auth payload, {token, dpop}, of clients 3.x and later.
//     Give a function as option auth, so that a reconnection sends a new proof.
//   - the header DPoP of the request that opens the connection
//   - the query parameter dpop, for browsers whose client can send neither
//   - the argument of the event "authenticate", {token, dpop}, at first and at each
//     renewal of a live socket. The proof of the handshake then no longer counts.
//
// A client that sends several proofs is refused. Each guarded namespace of a
// connection needs a separate proof.
//
// # What is checked
//
// Everything in RFC 9449 §4.3. The method is that of the handshake, GET. The URL is
// that of the handshake as the client sees it, without query and fragment. The schemes
// ws and wss count as http and https, since a request to the same resource opens a
// websocket. Otherwise URLs are compared after the normalization of RFC 3986 §6.2.2 and
// §6.2.3. Configure the server's URL with [URL]: the validator does not use the Host
// header, since a client could set it to replay a proof for another server. Each proof
// is valid once: see [Cache].
package dpop
