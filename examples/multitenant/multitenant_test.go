package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trialtest"
	"github.com/seed15b1dee8/socketio-jwt/jwks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func demonstrate(t *testing.T, change func(*application, *show)) (string, error) {
	t.Helper()
	s := newShow()
	t.Cleanup(s.close)
	app, err := newApplication(jwks.HTTPClient(s.acme.Client()), jwks.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(app.server)
	t.Cleanup(func() {
		app.server.Close()
		site.Close()
	})
	change(app, s)
	var out strings.Builder
	err = s.demonstrate(t.Context(), app, site.URL, &out)
	return out.String(), err
}

func TestDemonstration(t *testing.T) {
	out, err := demonstrate(t, func(*application, *show) {})
	if err != nil || strings.Count(out, "  ok  ") != 10 {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestDemonstrationNotices: -once fails if what it shows does not hold.
func TestDemonstrationNotices(t *testing.T) {
	out, err := demonstrate(t, func(a *application, s *show) { a.admit(s.mallory.URL(), "mallory") })
	if err == nil || strings.Count(out, "  FAIL  ") != 2 {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestRun(t *testing.T) { trialtest.Main(t, run) }
