package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// demonstration shows what a server does, over real sockets against it.
type demonstration struct {
	url   string
	nonce string // what the server gave last
}

// patience is how long all of it may take.
const patience = 20 * time.Second

// run prints one line for each outcome and returns an error if any was not as it
// should be.
func (d *demonstration) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ada, thief := newClient(), newClient()
	token, err := d.login(ctx, "Ada", ada)
	if err != nil {
		return fmt.Errorf("the login: %w", err)
	}
	report := trial.Report{Out: out}
	show := func(what, want string, credential map[string]any) {
		got, err := d.present(ctx, credential)
		report.Expect(what, want, got, err)
	}

	show("a proof without the server's nonce", "use_dpop_nonce (retry)", ada.credential(token, d.target(), ""))
	seen := ada.credential(token, d.target(), d.nonce) // what somebody reads in flight
	show("the token with a proof", trial.Authenticated, seen)
	show("the stolen token without a proof", "dpop_proof_missing", map[string]any{"token": token})
	show("the stolen token and its old proof", "dpop_proof_replayed", seen)
	show("the stolen token and the thief's own key", "dpop_key_mismatch", thief.credential(token, d.target(), d.nonce))
	show("a proof made for another server", "dpop_proof_invalid", ada.credential(token, "https://evil.example/socket.io/", d.nonce))
	swapped := ada.credential("another token", d.target(), d.nonce)
	swapped["token"] = token
	show("a proof made for another token", "dpop_proof_invalid", swapped)

	got, err := d.renewal(ctx, ada, token)
	report.Expect("a socket that renews: none, an old, a fresh", "authenticated, dpop_proof_missing, dpop_proof_replayed, authenticated, still ada", got, err)
	return report.Err()
}

// renewal shows that a live socket proves anew when it renews its token.
func (d *demonstration) renewal(ctx context.Context, ada *client, token string) (string, error) {
	c, err := sioclient.Connect(ctx, d.url)
	if err != nil {
		return "", err
	}
	defer c.Close()
	first := ada.credential(token, d.target(), d.nonce)
	var outcomes []string
	for _, credential := range []map[string]any{
		first, {"token": token}, first, ada.credential(token, d.target(), d.nonce),
	} {
		outcome, err := d.authenticate(ctx, c, credential)
		if err != nil {
			return "", err
		}
		outcomes = append(outcomes, outcome)
	}
	answer, err := c.Call("whoami")
	if err != nil {
		return "", err
	}
	select {
	case who := <-answer:
		var name string
		if len(who) != 1 || json.Unmarshal(who[0], &name) != nil {
			return "", fmt.Errorf("whoami is acknowledged with %s", who)
		}
		return strings.Join(outcomes, ", ") + ", still " + name, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// target is what the client's proofs are for.
func (d *demonstration) target() string { return d.url + "/socket.io/" }

func (d *demonstration) login(ctx context.Context, name string, c *client) (string, error) {
	body, err := json.Marshal(map[string]any{"name": name, "jwk": c.jwk()})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/token", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var granted struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil {
		return "", fmt.Errorf("status %d: %w", response.StatusCode, err)
	}
	return granted.Token, nil
}

// present opens a socket, presents a credential and returns the outcome.
func (d *demonstration) present(ctx context.Context, credential map[string]any) (string, error) {
	c, err := sioclient.Connect(ctx, d.url)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return d.authenticate(ctx, c, credential)
}

// authenticate presents a credential on a socket. Where the server asks for a
// nonce, it is kept for the proofs to come.
func (d *demonstration) authenticate(ctx context.Context, c *sioclient.Client, credential map[string]any) (string, error) {
	if err := c.Emit("authenticate", credential); err != nil {
		return "", err
	}
	e, err := c.Next(ctx)
	if err != nil {
		return "", err
	}
	var refusal struct {
		Data struct{ Nonce string }
	}
	if len(e.Args) == 1 && json.Unmarshal(e.Args[0], &refusal) == nil && refusal.Data.Nonce != "" {
		d.nonce = refusal.Data.Nonce
	}
	return trial.Outcome(e)
}
