package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// demonstrate runs the demonstration against its own server and returns what it
// printed and how many outcomes it disliked.
func demonstrate(t *testing.T, patience time.Duration, options ...verifier.Option) (string, int) {
	t.Helper()
	secret := mint.Secret()
	const timeout = 2 * time.Second
	server, err := newServer(secret, timeout, options...)
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(newSite(secret, server))
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		site.Close()
	})
	var out strings.Builder
	d := demonstration{url: site.URL, secret: secret, timeout: timeout, patience: patience}
	failed := d.run(t.Context(), &out)
	return out.String(), failed
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	out, failed := demonstrate(t, 10*time.Second)
	if failed != 0 || strings.Count(out, "\n  ok    ") != strings.Count(out, "\n")-1 {
		t.Errorf("%d outcomes failed:\n%s", failed, out)
	}
}

// TestDemonstrationNotices: a server that accepts what it should not is found
// out, so that -once can fail.
func TestDemonstrationNotices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		option   verifier.Option
		patience time.Duration // short where the test expects nothing to come
		fail     []string
	}{
		{"nbf is ignored", verifier.IgnoreNotBefore(), 10 * time.Second, []string{"a token of the future"}},
		{"expiry is ignored", verifier.IgnoreExpiration(), 3 * time.Second, []string{
			"an expired token", "a token that expires", "a token renewed in time",
		}},
		{"nobody gets in", verifier.Subject("nobody"), 10 * time.Second, []string{
			"a valid token", "an event before the token", "an event after it", "another user's token, later on",
			"a token that expires", "a token renewed in time",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, failed := demonstrate(t, test.patience, test.option)
			if failed != len(test.fail) {
				t.Errorf("%d outcomes failed, want %d", failed, len(test.fail))
			}
			for _, what := range test.fail {
				if !strings.Contains(out, "  FAIL  "+what+" ") {
					t.Errorf("%s did not fail", what)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}
