package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestFaultsD3ValidatorPanics: the verifier refuses the client whose validator
// panics, and the log says where.
func TestFaultsD3ValidatorPanics(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://issuer.test/")
	v, err := verifier.New(issuer, verifier.Validate(verifier.ClaimValidatorFunc(
		func(context.Context, *verifier.Token, *verifier.Handshake) error { panic("boom") })))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	a, err := socketio.New(v, socketio.ByHandshake(), socketio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	pass, err := a.Admit(t.Context(), &verifier.Handshake{Auth: map[string]any{"token": issuer.Token(nil)}})
	if pass != nil || !errors.Is(err, socketio.ErrServer) {
		t.Errorf("got %v, %v", pass, err)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "panic=boom") || !strings.Contains(log.String(), "panic_test.go") {
		t.Errorf("the log has %q", log.String())
	}
}
