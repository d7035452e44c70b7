package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/mtls"
)

func Example() {
	certificate := &x509.Certificate{Raw: []byte("what the client showed")}

	cert, err := mtls.New()
	if err != nil {
		panic(err)
	}
	// An introspector that knows one token, bound to that certificate. Signed
	// tokens go the same way, with verifier.New.
	v, err := verifier.NewOpaque(
		verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
			return fmt.Appendf(nil, `{"active":true,"sub":"ada","cnf":{"x5t#S256":%q}}`, mtls.Thumbprint(certificate.Raw)), nil
		}),
		verifier.Validate(cert),
	)
	if err != nil {
		panic(err)
	}

	h := &verifier.Handshake{Auth: map[string]any{"token": "opaque"}}
	_, err = v.Authenticate(context.Background(), h)
	fmt.Println(err)
	h.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	token, err := v.Authenticate(context.Background(), h)
	fmt.Println(token.Subject, err)
	// Output:
	// no client certificate provided
	// ada <nil>
}
