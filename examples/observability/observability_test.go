package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is a log that may be written to from anywhere.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// TestDemonstration: and the log, at the level debug and over real sockets, has
// nothing of the tokens that were shown.
func TestDemonstration(t *testing.T) {
	issuer := verifiertest.ServeTLS()
	defer issuer.Close()
	var log journal
	app, err := newApplication(issuer.URL(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), jwks.HTTPClient(issuer.Client()))
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(app.site)
	defer site.Close()
	var out strings.Builder
	err = demonstrate(t.Context(), app, issuer, site.URL, &out)
	if err != nil || strings.Count(out.String(), "  ok  ") != 10+len(expected) {
		t.Errorf("%v:\n%s", err, out.String())
	}
	if err := app.server.Close(); err != nil {
		t.Error(err)
	}
	text := log.text.String()
	for _, want := range []string{"socketio: authenticated", "socketio: renewed", "socketio: refused", "error.reason=signature_invalid", "session ended", "jwks: rotation", "jwks: failure"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	for _, secret := range []string{"eyJ", "mary", "tom", "yvonne", "otto", "billing"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q:\n%s", secret, text)
		}
	}
}

// TestDemonstrationNotices: -once fails if what it shows does not hold.
func TestDemonstrationNotices(t *testing.T) {
	issuer := verifiertest.ServeTLS()
	defer issuer.Close()
	app, err := newApplication(issuer.URL(), slog.New(slog.DiscardHandler), jwks.HTTPClient(issuer.Client()))
	if err != nil {
		t.Fatal(err)
	}
	defer app.server.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			app.site.ServeHTTP(w, r)
			return
		}
		for _, e := range expected { // what it waits for
			if strings.HasPrefix(e.metric, "session_ends_total") || e.metric == "sessions" {
				_, _ = fmt.Fprintf(w, "socketio_jwt_%s %s\n", e.metric, e.value)
			}
		}
	}))
	defer silent.Close()
	var out strings.Builder
	if err := demonstrate(t.Context(), app, issuer, silent.URL, &out); err == nil || strings.Count(out.String(), "  FAIL  ") != len(expected)-4 {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestRun(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	if err := run(t.Context(), quiet, "", true); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, quiet, "localhost:0", false); err == nil {
		t.Error("a demonstration that cannot be given goes unnoticed")
	}
}
