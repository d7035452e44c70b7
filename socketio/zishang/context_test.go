package zishang

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestContext: a handshake is verified with what the context of its request
// carries, as a trace does, and not cut short by that request's end.
func TestContext(t *testing.T) {
	type key struct{}
	seen := make(chan any, 1)
	server := NewServer(nil, func(c *engine.Config) { c.CloseTimeout = time.Millisecond })
	guard(t, server, "/", socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		seen <- ctx.Value(key{})
		if err := ctx.Err(); err != nil {
			t.Errorf("the context of a request that has ended: %v", err)
		}
		return nobody(ctx, h)
	}))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "a trace")))
	}))
	t.Cleanup(func() {
		_ = server.Close()
		web.Close()
	})
	c := dial(t, web)
	c.send(`40{"token":"x"}`)
	if got := <-seen; got != "a trace" {
		t.Errorf("the context carries %v", got)
	}
}
