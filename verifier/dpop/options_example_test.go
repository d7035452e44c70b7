package dpop_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

// Behind a proxy, with nonces, and tokens without a key for a while.
func ExampleNew() {
	_, err := dpop.New(
		dpop.TrustForwarded(netip.MustParsePrefix("10.0.0.0/8")), // or URL
		dpop.Nonces([]byte("a secret of at least thirty-two bytes"), time.Minute),
		dpop.Algorithms(verifier.ES256),
		dpop.AllowBearer(),
		dpop.MaxAge(30*time.Second),
		dpop.ClockTolerance(2*time.Second),
		dpop.CacheSize(10_000), // or WithCache, to share it
	)
	fmt.Println(err)
	_, err = dpop.New()
	fmt.Println(err != nil) // URL or TrustForwarded is required
	// Output:
	// <nil>
	// true
}

// The jkt that a login puts into the token's cnf.
func ExampleThumbprint() {
	fmt.Println(dpop.Thumbprint([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)))
	// Output: kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k <nil>
}
