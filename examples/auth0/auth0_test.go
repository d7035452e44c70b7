package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server for the tenant, or one that expects another audience.
func serve(t *testing.T, own *tenant, audience string) string {
	t.Helper()
	server, err := newServer(own.domain(), audience, jwks.HTTPClient(own.Client()), jwks.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(server)
	t.Cleanup(func() {
		server.Close()
		site.Close()
	})
	return site.URL
}

func newTestTenant(t *testing.T) *tenant {
	own := newTenant()
	t.Cleanup(own.Close)
	return own
}

func TestDemonstration(t *testing.T) {
	own := newTestTenant(t)
	var out strings.Builder
	if err := own.demonstrate(t.Context(), serve(t, own, audienceOfOwn), &out); err != nil || strings.Count(out.String(), "  ok  ") != 9 {
		t.Errorf("%v:\n%s", err, &out)
	}
}

// TestDemonstrationNotices: -once fails if what it shows does not hold.
func TestDemonstrationNotices(t *testing.T) {
	own := newTestTenant(t)
	var out strings.Builder
	err := own.demonstrate(t.Context(), serve(t, own, "https://mail.example.com"), &out)
	if err == nil || !strings.Contains(out.String(), "  FAIL  an access token") || !strings.Contains(out.String(), "  FAIL  one for another API") {
		t.Errorf("%v:\n%s", err, &out)
	}
}

func TestDemonstrationOfARealTenant(t *testing.T) {
	own := newTestTenant(t)
	url := serve(t, own, audienceOfOwn)
	var out strings.Builder
	if err := demonstrateReal(t.Context(), url, own.domain(), own.token(), &out); err != nil {
		t.Errorf("%v:\n%s", err, &out)
	}
	if err := demonstrateReal(t.Context(), url, own.domain(), "expired", &out); err == nil {
		t.Errorf("a bad AUTH0_TOKEN goes unnoticed:\n%s", &out)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AUTH0_AUDIENCE", "")
	t.Setenv("AUTH0_DOMAIN", "tenant.eu.auth0.com")
	if err := run(t.Context(), "localhost:0", false); err == nil || !strings.Contains(err.Error(), "both AUTH0_DOMAIN and AUTH0_AUDIENCE") {
		t.Errorf("got %v", err)
	}
}
