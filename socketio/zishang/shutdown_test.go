package zishang

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestShutdownIsBounded: a handler of the application's that blocks does not keep
// Shutdown beyond its context.
func TestShutdownIsBounded(t *testing.T) {
	release := make(chan struct{})
	var server *Server
	web := serve(t, nil, func(io *Server) {
		server = io
		_ = public(t, io, "/").On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("disconnecting", func(...any) { <-release })
			_ = s.Emit("ready")
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.expect(`42["ready"]`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v, expected that its time was up", err)
	}
	close(release)
}

// TestShutdownWaitsForOnFailure: Shutdown does not return while a function of OnFailure
// runs.
func TestShutdownWaitsForOnFailure(t *testing.T) {
	told, release := make(chan struct{}), make(chan struct{})
	var server *Server
	web := serve(t, nil, func(io *Server) {
		server = io
		guard(t, io, "/", byName(), socketio.ByEvent(), socketio.Timeout(20*time.Millisecond),
			socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) {
				close(told)
				<-release
			}))
	})
	f := upgrade(t, web)
	f.send("40")
	<-told
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown during OnFailure: got %v, expected %v", err, context.DeadlineExceeded)
	}
	close(release)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
