package main

import (
	"context"
	"errors"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newServer composes the parts. Each is one function, and each can be tested
// without the others.
func newServer(f *fleet) (*zishang.Server, error) {
	v, err := verifier.New(
		verifier.KeyProviderFunc(f.keys),
		verifier.WithExtractor(verifier.OneOf(verifier.ExtractorFunc(fromEnvelope), verifier.Cookie("device_token"))),
		verifier.Algorithms(verifier.EdDSA),
		verifier.Audience("telemetry"),
		verifier.Validate(verifier.ClaimValidatorFunc(f.notStolen)),
	)
	if err != nil {
		return nil, err
	}
	server := zishang.NewServer(nil)
	if _, err := server.Authorize("/", v); err != nil {
		return nil, err
	}
	return server, nil
}

// fromEnvelope is an extractor. Devices send {"device": {"model": ..., "token":
// ...}} as their auth payload. Nothing there is not an error, for another extractor
// may find something; what is there in the wrong form is.
func fromEnvelope(_ context.Context, h *verifier.Handshake) (string, error) {
	payload, _ := h.Auth.(map[string]any)
	if payload["device"] == nil {
		return "", nil
	}
	device, _ := payload["device"].(map[string]any)
	token, ok := device["token"].(string)
	if !ok {
		return "", &verifier.UnauthorizedError{
			Code: verifier.CodeInvalidToken, Message: "expected device.token, a string", Reason: verifier.ErrTokenMalformed,
		}
	}
	return token, nil
}

// fleet knows the devices. It stands for a database.
type fleet struct {
	mu      sync.Mutex // guards the rest
	devices map[string]*verifier.Key
	stolen  map[string]bool
	down    bool
}

func newFleet() *fleet {
	return &fleet{devices: make(map[string]*verifier.Key), stolen: make(map[string]bool)}
}

// keys is a key provider: only a device's own key verifies its tokens. What
// it goes by is not verified yet, and chooses nothing but the key. No key and no
// error is an unknown device; an error is an outage, which the client is told to
// retry after.
func (f *fleet) keys(_ context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	var claims struct {
		Device string `json:"sub"`
	}
	if err := t.Claims(&claims); err != nil {
		return nil, nil // no token of any device
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("the database at 10.0.0.1 is down")
	}
	if key, ok := f.devices[claims.Device]; ok {
		return []*verifier.Key{key}, nil
	}
	return nil, nil
}

// notStolen is a validator. It runs when the signature and the registered claims
// hold.
func (f *fleet) notStolen(_ context.Context, t *verifier.Token, _ *verifier.Handshake) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stolen[t.Subject] {
		return &verifier.UnauthorizedError{Code: "device_stolen", Message: "this device was reported stolen", Reason: "device_stolen"}
	}
	return nil
}

// change changes what the database has.
func (f *fleet) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}
