package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

var mary = verifiertest.Claims{"sub": "mary", "aud": "chat"}

// expected is what the metrics say after the demonstration. Each row of it shows
// in one of them.
var expected = []struct{ metric, value string }{
	{`verifications_total{by="event",outcome="accepted",reason=""}`, "5"},
	{`verifications_total{by="event",outcome="refused",reason="signature_invalid"}`, "1"},
	{`verifications_total{by="event",outcome="refused",reason="token_expired"}`, "1"},
	{`verifications_total{by="event",outcome="refused",reason="audience_mismatch"}`, "1"},
	{`verifications_total{by="event",outcome="refused",reason="keys_unavailable"}`, "1"},
	{`verifications_total{by="renewal",outcome="accepted",reason=""}`, "1"},
	{`verification_duration_seconds_count{outcome="refused"}`, "4"},
	{`sessions_begun_total`, "5"},
	{`sessions`, "1"},
	{`renewals_total`, "1"},
	{`session_ends_total{reason="disconnected"}`, "2"},
	{`session_ends_total{reason="token_expired"}`, "1"},
	{`session_ends_total{reason="token_revoked"}`, "1"},
	{`revocations{name="chat"}`, "1"},
	{`key_fetches_total{name="issuer"}`, "3"},
	{`key_fetch_failures_total{name="issuer"}`, "1"},
	{`key_rotations_total{name="issuer"}`, "1"},
	{`token_cache_hits_total{name="chat"}`, "1"},
}

// demonstrate has clients come and go, and reads what the metrics say of it.
func demonstrate(ctx context.Context, app *application, issuer *verifiertest.Issuer, url string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r := &trial.Report{Out: out}
	expect := func(what, token, want string) {
		got, err := trial.Token(ctx, url, token)
		r.Expect(what, want, got, err)
	}
	of := func(name string, changes verifiertest.Claims) string {
		claims := verifiertest.Claims{"sub": name, "aud": "chat"}
		for claim, value := range changes {
			claims[claim] = value
		}
		return issuer.Token(claims)
	}
	stranger := verifiertest.NewKey(verifier.ES256, "key-1")
	token := of("mary", nil)
	expect("a token", token, trial.Authenticated)
	expect("the same once more", token, trial.Authenticated)
	expect("a forged one", issuer.TokenBy(stranger, nil, mary), string(verifier.ErrSignatureInvalid))
	expect("one that has expired", of("mary", verifiertest.Claims{"exp": time.Now().Add(-time.Minute).Unix()}), string(verifier.ErrTokenExpired))
	expect("one for another service", of("mary", verifiertest.Claims{"aud": "billing"}), string(verifier.ErrAudienceMismatch))

	issuer.Rotate(verifiertest.NewKey(verifier.ES256, "key-2"))
	tom, outcome, err := trial.Open(ctx, url, of("tom", nil))
	r.Expect("one by the issuer's new key", trial.Authenticated, outcome, err)
	if err != nil {
		return r.Err()
	}
	defer tom.Close()
	r.Expect("a renewal", trial.Authenticated, renew(ctx, tom, of("tom", nil)), nil)

	issuer.Break(verifiertest.Status(http.StatusServiceUnavailable))
	expect("one by an unknown key, in an outage", issuer.TokenBy(verifiertest.NewKey(verifier.ES256, "key-3"), nil, mary), string(verifier.ErrKeysUnavailable)+" (retry)")
	issuer.Break(nil)

	r.Expect("a session whose token expires", string(verifier.ErrTokenExpired), ended(ctx, url, of("yvonne", verifiertest.Claims{"exp": time.Now().Add(2 * time.Second).Unix()}), func() error { return nil }), nil)
	r.Expect("a session whose user is revoked", string(socketio.ErrTokenRevoked), ended(ctx, url, of("otto", nil), func() error {
		return app.registry.Revoke(ctx, socketio.Revocation{Subject: "otto"})
	}), nil)

	fmt.Fprint(out, "\nand what the metrics say of it\n\n")
	// What a client has seen of its end may not have been counted yet.
	var metrics map[string]string
	for !settled(metrics) {
		if metrics, err = scrape(ctx, url); err != nil {
			break
		}
	}
	for _, e := range expected {
		r.Expect(e.metric, e.value, metrics[e.metric], err)
	}
	return r.Err()
}

// renew presents another token on a live socket, and says the outcome.
func renew(ctx context.Context, c *sioclient.Client, token string) string {
	if err := c.Emit("authenticate", map[string]string{"token": token}); err != nil {
		return err.Error()
	}
	return next(ctx, c)
}

func next(ctx context.Context, c *sioclient.Client) string {
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return err.Error()
		}
		if e.Name == socketio.EventTokenExpiring {
			continue
		}
		outcome, err := trial.Outcome(e)
		if err != nil {
			return err.Error()
		}
		return outcome
	}
}

// ended opens a socket, has something happen, and says what ended its session.
func ended(ctx context.Context, url, token string, then func() error) string {
	c, outcome, err := trial.Open(ctx, url, token)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if outcome != trial.Authenticated {
		return outcome
	}
	if err := then(); err != nil {
		return err.Error()
	}
	return next(ctx, c)
}

// scrape reads the metrics as Prometheus does, by their names without ours before.
func scrape(ctx context.Context, url string) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // no connection is left idle
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	metrics := make(map[string]string)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), "socketio_jwt_"); ok {
			name, value, _ := strings.Cut(line, " ")
			metrics[name] = value
		}
	}
	return metrics, lines.Err()
}

// settled reports whether every session has ended that does in the demonstration.
func settled(metrics map[string]string) bool {
	for _, e := range expected {
		if (e.metric == "sessions" || strings.HasPrefix(e.metric, "session_ends_total")) && metrics[e.metric] != e.value {
			return false
		}
	}
	return true
}
