package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// demonstrate shows what each of the parts does.
func demonstrate(ctx context.Context, out io.Writer, url string, f *fleet) error {
	meter, pump := newKey(), newKey()
	f.change(func() { f.devices["meter-1"], f.devices["pump-1"] = meter.Key(), pump.Key() })
	token := func(key *verifiertest.Key, device string) string {
		return key.Mint(nil, verifiertest.Claims{"sub": device, "aud": "telemetry", "exp": time.Now().Add(time.Minute).Unix()})
	}
	envelope := func(token any) any { return map[string]any{"device": map[string]any{"token": token}} }
	good := token(meter, "meter-1")

	report := trial.Report{Out: out}
	try := func(what, want string, header http.Header, auth any) {
		got, err := sio4.Outcome(sio4.Dial(ctx, url, "/", header, auth))
		report.Expect(what, want, got, err)
	}
	try("a token in the envelope", "connected", nil, envelope(good))
	try("a token in the cookie", "connected", http.Header{"Cookie": {"device_token=" + good}}, nil)
	try("a token where others have it", "token_missing", nil, map[string]any{"token": good})
	try("no token", "token_missing", nil, nil)
	try("a number for a token", "token_malformed", nil, envelope(1))
	try("two different tokens", "token_conflict", http.Header{"Cookie": {"device_token=" + good}}, envelope(token(pump, "pump-1")))
	try("a device by another's name", "signature_invalid", nil, envelope(token(pump, "meter-1")))
	try("an unknown device", "key_not_found", nil, envelope(token(pump, "pump-2")))
	f.change(func() { f.stolen["pump-1"] = true })
	try("a stolen device", "device_stolen", nil, envelope(token(pump, "pump-1")))
	f.change(func() { f.down = true })
	// The connection ends without a word to the namespace: a client 4.x that hears a
	// refusal stays away, and this one is to come back by itself.
	c, err := sio4.Dial(ctx, url, "/", nil, envelope(good))
	outcome := "connected"
	switch {
	case websocket.IsCloseError(err, websocket.CloseNormalClosure):
		outcome, err = "told to come back", nil
	case err == nil:
		c.Close()
	}
	report.Expect("any device while the database is down", "told to come back", outcome, err)
	f.change(func() { f.down = false })
	try("the same when it is back", "connected", nil, envelope(good))
	return report.Err()
}
