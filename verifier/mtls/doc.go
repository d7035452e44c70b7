// Package mtls verifies that an access token is bound to the client's TLS certificate
// (RFC 8705). A token whose cnf.x5t#S256 names a certificate is valid only on a
// connection that was opened with it.
//
//	cert, err := mtls.New()
//	v, err := verifier.New(keys, verifier.Validate(cert))
//
// The server must request the certificate in the TLS handshake:
// [crypto/tls.RequestClientCert] or stricter. Only the certificate's thumbprint counts,
// not its issuer (RFC 8705 §3). If a proxy terminates TLS, [TrustHeader] reads the
// certificate from a header of the proxy.
package mtls
