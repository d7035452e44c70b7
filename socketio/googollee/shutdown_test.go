package googollee_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestShutdownWaitsForOnFailure: Shutdown does not return while a function of OnFailure
// runs, however the socket came to be refused.
func TestShutdownWaitsForOnFailure(t *testing.T) {
	const bad = `42["authenticate",{"token":"bad"}]`
	for name, row := range map[string]struct {
		say    string
		option socketio.Option
	}{
		"nothing in time": {"", socketio.Timeout(20 * time.Millisecond)},
		"may try again":   {bad, socketio.DisconnectAfter(time.Minute)},
		"at once":         {bad, socketio.DisconnectNow()},
	} {
		t.Run(name, func(t *testing.T) {
			told, release := make(chan struct{}), make(chan struct{})
			onFailure := socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) {
				close(told)
				<-release
			})
			server, err := googollee.NewServer(&googollee.Options{Logger: quiet, RefusalDelay: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := server.Authorize("/", authenticator, row.option, onFailure); err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(server)
			defer web.Close()
			ws := dial(t, raw(web.URL))
			ws.read("40")
			if row.say != "" {
				ws.write(row.say)
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				ws.rest() // the client leaves when it is told to
			}()
			<-told
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown during OnFailure: got %v, expected %v", err, context.DeadlineExceeded)
			}
			<-gone
			close(release)
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestShutdownWaitsForOnAuthenticated: nor while a handler begins a socket.
func TestShutdownWaitsForOnAuthenticated(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error {
			close(began)
			<-release
			return nil
		})
	})
	ws := dial(t, s.client())
	ws.read("40")
	ws.write(`42["authenticate",{"token":"good.ada"}]`)
	<-began
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		ws.rest()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown during OnAuthenticated: got %v, expected %v", err, context.DeadlineExceeded)
	}
	<-gone
	close(release)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
