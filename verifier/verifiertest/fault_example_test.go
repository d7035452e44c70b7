package verifiertest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// fetchKeys fetches the issuer's key set, and describes the answer.
func fetchKeys(issuer *verifiertest.Issuer, client *http.Client) string {
	response, err := client.Get(issuer.JWKSURL())
	if err != nil {
		return "no answer"
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("cut off after %d bytes", len(body))
	}
	return fmt.Sprintf("%d, more than 1 MiB: %v", response.StatusCode, len(body) > 1<<20)
}

// Each fault shows how a client of the issuer handles an outage or an attack.
func ExampleFault() {
	issuer := verifiertest.NewIssuer("https://tenant.example/")
	released := make(chan struct{})
	close(released) // a test closes it when the client has waited long enough
	for _, row := range []struct {
		name  string
		fault verifiertest.Fault
	}{
		{"Down", verifiertest.Down()},
		{"Slow", verifiertest.Slow(time.Millisecond)},
		{"Hang", verifiertest.Hang(released)},
		{"Trickle", verifiertest.Trickle(released)},
		{"Oversize", verifiertest.Oversize(1 << 20)},
		{"Redirect", verifiertest.Redirect("/elsewhere")},
		{"none", nil},
	} {
		issuer.Break(row.fault)
		client := issuer.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		fmt.Printf("%s: %s\n", row.name, fetchKeys(issuer, client))
	}
	// Output:
	// Down: no answer
	// Slow: 200, more than 1 MiB: false
	// Hang: 200, more than 1 MiB: false
	// Trickle: cut off after 9 bytes
	// Oversize: 200, more than 1 MiB: true
	// Redirect: 302, more than 1 MiB: false
	// none: 200, more than 1 MiB: false
}

// An issuer on a port, for clients in another process. It also publishes a key of a type
// that verifiers do not know.
func ExampleServe() {
	issuer := verifiertest.Serve(verifiertest.NewKey(verifier.ES256, "key-1"))
	defer issuer.Close()
	issuer.PublishJWK(verifiertest.AKP("post-quantum"))

	fmt.Println(fetchKeys(issuer, http.DefaultClient))
	fmt.Println(issuer.Fetches(), "fetch")
	// Output:
	// 200, more than 1 MiB: false
	// 1 fetch
}
