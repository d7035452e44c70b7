package socketio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// lostStore is a RevocationStore that nobody can reach.
type lostStore struct{}

func (lostStore) Put(context.Context, socketio.Revocation) error { return errors.New("lost") }
func (lostStore) Follow(context.Context, func(socketio.Revocation), func()) error {
	return errors.New("lost")
}

// TestRegistryCheck: what authorizes HTTP requests sees revocations as sockets do.
func TestRegistryCheck(t *testing.T) {
	r := socketio.NewRegistry(nil)
	ada, bob := &verifier.Token{Subject: "ada"}, &verifier.Token{Subject: "bob"}
	if err := r.Check(ada); err != nil {
		t.Fatalf("before a revocation: %v", err)
	}
	if err := r.Revoke(t.Context(), socketio.Revocation{Subject: "ada"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(ada); !errors.Is(err, socketio.ErrTokenRevoked) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := r.Check(bob); err != nil {
		t.Errorf("another user's token: %v", err)
	}

	for _, open := range []bool{false, true} {
		lost := socketio.NewRegistry(&socketio.RegistryOptions{Store: lostStore{}, FailOpen: open})
		err := lost.Check(bob)
		_ = lost.Close()
		if open && err != nil || !open && !errors.Is(err, socketio.ErrRevocationsUnavailable) {
			t.Errorf("FailOpen %v: %v", open, err)
		}
	}
}
