package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
)

// demonstration shows what a server does, over real sockets against it.
type demonstration struct {
	url   string
	nonce string // what the server gave last
}

// patience is how long anything is waited for before it is called missing.
const patience = 10 * time.Second

// run prints one line for each outcome and returns how many were not as they
// should be.
func (d *demonstration) run(ctx context.Context, out io.Writer) (failed int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ada, thief := newClient(), newClient()
	token, err := d.login(ctx, "Ada", ada)
	if err != nil {
		fmt.Fprintf(out, "  FAIL  %-34s %v\n", "the login", err)
		return 1
	}
	var seen map[string]any // a credential that somebody has read on its way

	for _, s := range []struct {
		what string
		show func() (string, error)
	}{
		{"a proof without the server's nonce", func() (string, error) {
			e, err := d.present(ctx, ada.credential(token, d.target(), ""))
			if err != nil {
				return "", err
			}
			d.nonce = refusalOf(e).Nonce
			return told(e, "use_dpop_nonce")
		}},
		{"the token with a proof", func() (string, error) {
			seen = ada.credential(token, d.target(), d.nonce)
			e, err := d.present(ctx, seen)
			return authenticated(e, err, "authenticated")
		}},
		{"the stolen token alone", func() (string, error) {
			e, err := d.present(ctx, map[string]any{"token": token})
			return refused(e, err, "dpop_proof_missing")
		}},
		{"the stolen token and its old proof", func() (string, error) {
			e, err := d.present(ctx, seen)
			return refused(e, err, "dpop_proof_replayed")
		}},
		{"the stolen token, the thief's key", func() (string, error) {
			e, err := d.present(ctx, thief.credential(token, d.target(), d.nonce))
			return refused(e, err, "dpop_key_mismatch")
		}},
		{"a proof made for another server", func() (string, error) {
			e, err := d.present(ctx, ada.credential(token, "https://evil.example/socket.io/", d.nonce))
			return refused(e, err, "dpop_proof_invalid")
		}},
		{"a proof made for another token", func() (string, error) {
			c := ada.credential("another token", d.target(), d.nonce)
			c["token"] = token
			e, err := d.present(ctx, c)
			return refused(e, err, "dpop_proof_invalid")
		}},
		{"a renewal, by thief and owner", func() (string, error) { return d.renewal(ctx, ada, token) }},
	} {
		outcome, err := s.show()
		if err != nil {
			failed++
			fmt.Fprintf(out, "  FAIL  %-36s %v\n", s.what, err)
			continue
		}
		fmt.Fprintf(out, "  ok    %-36s %s\n", s.what, outcome)
	}
	return failed
}

// renewal shows that a live socket proves anew when it renews its token.
func (d *demonstration) renewal(ctx context.Context, ada *client, token string) (string, error) {
	c, err := d.connect(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	first := ada.credential(token, d.target(), d.nonce)
	for _, s := range []struct {
		credential map[string]any
		event      string
	}{
		{first, "authenticated"},
		{map[string]any{"token": token}, "unauthorized"},
		{first, "unauthorized"},
		{ada.credential(token, d.target(), d.nonce), "authenticated"},
	} {
		if err := c.Emit("authenticate", s.credential); err != nil {
			return "", err
		}
		if e, err := c.Next(ctx); err != nil || e.Name != s.event {
			return "", unexpected(e, err, s.event)
		}
	}
	answer, err := c.Call("whoami")
	if err != nil {
		return "", err
	}
	select {
	case who := <-answer:
		if len(who) != 1 || string(who[0]) != `"ada"` {
			return "", fmt.Errorf("the socket is %s", who)
		}
		return "only the fresh proof renews; the socket stays who it was", nil
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
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil || granted.Token == "" {
		return "", fmt.Errorf("the login answers with status %d: %w", response.StatusCode, err)
	}
	return granted.Token, nil
}

// connect opens a socket, as yet unauthenticated.
func (d *demonstration) connect(ctx context.Context) (*sioclient.Client, error) {
	c, err := sioclient.Dial(ctx, d.url, nil)
	if err != nil {
		return nil, err
	}
	if e, err := c.Next(ctx); err != nil || e.Name != "connect" {
		c.Close()
		return nil, unexpected(e, err, "connect")
	}
	return c, nil
}

// present opens a socket, presents a credential and returns the answer.
func (d *demonstration) present(ctx context.Context, credential map[string]any) (sioclient.Event, error) {
	c, err := d.connect(ctx)
	if err != nil {
		return sioclient.Event{}, err
	}
	defer c.Close()
	if err := c.Emit("authenticate", credential); err != nil {
		return sioclient.Event{}, err
	}
	return c.Next(ctx)
}

func authenticated(e sioclient.Event, err error, outcome string) (string, error) {
	if err != nil || e.Name != "authenticated" {
		return "", unexpected(e, err, "authenticated")
	}
	return outcome, nil
}

func refused(e sioclient.Event, err error, reason string) (string, error) {
	if err != nil {
		return "", err
	}
	return told(e, reason)
}

// refusal is what a client reads in the argument of "unauthorized".
type refusal struct {
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Nonce   string `json:"nonce"`
}

func refusalOf(e sioclient.Event) refusal {
	var argument struct {
		Data refusal `json:"data"`
	}
	if e.Name == "unauthorized" && len(e.Args) == 1 {
		_ = json.Unmarshal(e.Args[0], &argument) // of what cannot be read nothing is known
	}
	return argument.Data
}

// told checks that an event is the refusal for that reason, and words it.
func told(e sioclient.Event, reason string) (string, error) {
	r := refusalOf(e)
	if r.Reason != reason {
		return "", unexpected(e, nil, "unauthorized: "+reason)
	}
	return fmt.Sprintf("unauthorized (%s: %s)", r.Code, r.Message), nil
}

func unexpected(e sioclient.Event, err error, want string) error {
	if err != nil {
		return fmt.Errorf("instead of %q: %w", want, err)
	}
	return fmt.Errorf("instead of %q came %q %s", want, e.Name, e.Args)
}
