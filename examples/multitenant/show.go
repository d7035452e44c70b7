package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

var ada = verifiertest.Claims{"sub": "ada", "aud": "chat"}

// show has two tenants, and an issuer that is not a tenant.
type show struct{ acme, globex, mallory *verifiertest.Issuer }

func newShow() *show {
	return &show{verifiertest.ServeTLS(), verifiertest.ServeTLS(), verifiertest.ServeTLS()}
}

func (s *show) close() {
	s.acme.Close()
	s.globex.Close()
	s.mallory.Close()
}

// demonstrate shows who gets in, which messages each hears, and what happens when a tenant
// leaves.
func (s *show) demonstrate(ctx context.Context, app *application, url string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	app.admit(s.acme.URL(), "acme")
	app.admit(s.globex.URL(), "globex")
	r := trial.Report{Out: out}
	expect := func(what, token, want string) {
		got, err := trial.Token(ctx, url, token)
		r.Expect(what, want, got, err)
	}
	expect("a token of acme's", s.acme.Token(ada), trial.Authenticated)
	expect("a token of globex's", s.globex.Token(ada), trial.Authenticated)
	expect("a token of globex's that acme signed", s.acme.Token(verifiertest.Claims{"iss": s.globex.URL(), "aud": "chat"}), string(verifier.ErrSignatureInvalid))
	expect("a token of nobody's that acme signed", s.acme.Token(verifiertest.Claims{"iss": nil, "aud": "chat"}), string(verifier.ErrIssuerMismatch))
	expect("a token of mallory's, who is not a tenant", s.mallory.Token(ada), string(verifier.ErrIssuerMismatch))
	r.Expect("requests to mallory's issuer", "0", fmt.Sprint(len(s.mallory.Requests())), nil)

	got, err := s.whoHears(ctx, url)
	r.Expect("what somebody of acme's says", "heard only by acme", got, err)

	got, err = s.leaving(ctx, app, url)
	r.Expect("a session of acme's when acme leaves", "tenant_gone", got, err)
	expect("a token of acme's after that", s.acme.Token(ada), string(verifier.ErrIssuerMismatch))
	expect("a token of globex's after that", s.globex.Token(ada), trial.Authenticated)
	return r.Err()
}

// enter opens a socket that must be accepted.
func enter(ctx context.Context, url string, issuer *verifiertest.Issuer) (*sioclient.Client, error) {
	c, outcome, err := trial.Open(ctx, url, issuer.Token(ada))
	if err == nil && outcome != trial.Authenticated {
		c.Close()
		err = fmt.Errorf("the token of %s: %s", issuer.URL(), outcome)
	}
	return c, err
}

// whoHears has a member of each tenant say something, acme's first. Who hears the
// other tenant's word before its own heard too much.
func (s *show) whoHears(ctx context.Context, url string) (string, error) {
	said := map[string]string{}
	var clients []*sioclient.Client
	for _, issuer := range []*verifiertest.Issuer{s.acme, s.globex} {
		c, err := enter(ctx, url, issuer)
		if err != nil {
			return "", err
		}
		defer c.Close()
		clients = append(clients, c)
	}
	for i, word := range []string{"acme", "globex"} {
		if err := clients[i].Emit("message", "of "+word); err != nil {
			return "", err
		}
		e, err := clients[i].Next(ctx)
		if err != nil {
			return "", err
		}
		var text string
		if e.Name != "message" || len(e.Args) != 1 || json.Unmarshal(e.Args[0], &text) != nil {
			return "", fmt.Errorf("instead of a message came %q %s", e.Name, e.Args)
		}
		said[word] = text
	}
	if said["acme"] != "of acme" || said["globex"] != "of globex" {
		return fmt.Sprintf("acme heard %q, globex %q", said["acme"], said["globex"]), nil
	}
	return "heard only by acme", nil
}

// leaving has acme leave while somebody of it is connected.
func (s *show) leaving(ctx context.Context, app *application, url string) (string, error) {
	c, err := enter(ctx, url, s.acme)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.Emit("message", "still here"); err != nil { // handled after OnAuthenticated, so that it has run
		return "", err
	}
	if e, err := c.Next(ctx); err != nil || e.Name != "message" {
		return "", fmt.Errorf("instead of a message came %q: %w", e.Name, err)
	}
	app.dismiss(s.acme.URL())
	e, err := c.Next(ctx)
	if err != nil {
		return "", err
	}
	return trial.Outcome(e)
}
