package mtls_test

import (
	"fmt"
	"net/netip"

	"github.com/seed15b1dee8/socketio-jwt/verifier/mtls"
)

// The certificate from the header of a proxy that terminates TLS.
func ExampleTrustHeader() {
	_, err := mtls.New(
		mtls.TrustHeader("X-Client-Cert", mtls.EscapedPEM, netip.MustParsePrefix("10.0.0.0/8")),
		mtls.AllowBearer(), // also tokens that are not bound
	)
	fmt.Println(err)
	// Output: <nil>
}
