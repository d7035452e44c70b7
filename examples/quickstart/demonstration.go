package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
)

// demonstration shows what a server does, over real sockets against it.
type demonstration struct {
	url      string
	secret   []byte        // to mint good tokens with
	timeout  time.Duration // the server's
	patience time.Duration // how long anything is waited for before it is called missing
}

// lifetime is that of a token that is to expire meanwhile; its exp is in whole
// seconds.
const lifetime = 2 * time.Second

// run prints one line for each outcome and returns how many were not as they
// should be.
func (d *demonstration) run(ctx context.Context, out io.Writer) (failed int) {
	now := time.Now()
	good := chatpage.Claims("Ada", now)
	changed := func(name string, value any) string {
		c := chatpage.Claims("Ada", now)
		c[name] = value
		return mint.HS256(d.secret, c)
	}
	ada := mint.HS256(d.secret, good)
	shortLived := func() string { return changed("exp", time.Now().Add(lifetime).Unix()) }
	parts := strings.Split(ada, ".")
	admin, _ := json.Marshal(chatpage.Claims("admin", now)) // strings and numbers: it cannot fail

	shows := []struct {
		what string
		show func(context.Context) (string, error)
	}{
		{"a forged token", d.refused(mint.HS256(mint.Secret(), good), "invalid signature")},
		{"a tampered token", d.refused(parts[0]+"."+mint.Encode(string(admin))+"."+parts[2], "invalid signature")},
		{"a token signed by nobody", d.refused(mint.Encode(`{"alg":"none"}`)+"."+parts[1]+"."+parts[2], "invalid algorithm")},
		{"an expired token", d.refused(changed("exp", now.Unix()-1), "jwt expired")},
		{"a token of the future", d.refused(changed("nbf", now.Add(time.Hour).Unix()), "jwt not active")},
		{"a token for another service", d.refused(changed("aud", "billing"), "jwt audience invalid. expected: "+chatpage.Audience)},
		{"something that is not a token", d.refused("open the door", "jwt malformed")},
		{"a valid token", d.admitted(ada)},
		{"an event before the token", d.tooEarly(ada)},
		{"an event after it", d.inTime(ada)},
		{"another user's token, later on", d.anotherUser(ada, mint.HS256(d.secret, chatpage.Claims("Bob", now)))},
		{"a token that expires", d.expires(shortLived)},
		{"a token renewed in time", d.renewed(shortLived, ada)},
	}
	report := func(what, outcome string, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(out, "  FAIL  %-32s %v\n", what, err)
			return
		}
		fmt.Fprintf(out, "  ok    %-32s %s\n", what, outcome)
	}

	// Its time runs while the others are shown.
	var silent struct {
		outcome string
		err     error
	}
	var waiting sync.WaitGroup
	waiting.Go(func() { silent.outcome, silent.err = d.noToken(ctx) })
	for _, s := range shows {
		ctx, cancel := context.WithTimeout(ctx, d.patience)
		outcome, err := s.show(ctx)
		cancel()
		report(s.what, outcome, err)
	}
	waiting.Wait()
	report("no token", silent.outcome, silent.err)
	return failed
}

// refused shows a token that must not pass: the client is told why, and is
// disconnected when it has taken note.
func (d *demonstration) refused(token, message string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := sioclient.Connect(ctx, d.url)
		if err != nil {
			return "", err
		}
		defer c.Close()
		e, err := d.authenticate(ctx, c, token)
		if err != nil {
			return "", err
		}
		why, err := reason(e, message)
		if err != nil {
			return "", err
		}
		if err := c.Acknowledge(e); err != nil {
			return "", err
		}
		if err := disconnected(ctx, c); err != nil {
			return "", err
		}
		return why + ", disconnected", nil
	}
}

// noToken shows a socket that sends no token: it receives nothing until its deadline.
func (d *demonstration) noToken(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout+d.patience)
	defer cancel()
	c, err := sioclient.Connect(ctx, d.url)
	if err != nil {
		return "", err
	}
	defer c.Close()
	since := time.Now()
	e, err := c.Next(ctx) // the first it hears, so it has heard nothing of the chat
	if err != nil {
		return "", err
	}
	why, err := ended(ctx, c, e, "no token provided in time")
	if err != nil {
		return "", err
	}
	after := time.Since(since)
	// The client's clock starts when it has heard of what the server's does.
	if after < d.timeout/2 || after > d.timeout+d.patience/2 {
		return "", fmt.Errorf("disconnected after %v: expected %v", after, d.timeout)
	}
	return fmt.Sprintf("heard nothing for %.1f s, then %s, disconnected", after.Seconds(), why), nil
}

func (d *demonstration) admitted(token string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := d.enter(ctx, token)
		if err != nil {
			return "", err
		}
		defer c.Close()
		e, err := next(ctx, c, "people")
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("authenticated, and told who is here: %s", e.Args), nil
	}
}

// tooEarly shows that what a socket sends before it is authenticated reaches
// nobody, and is not kept for later.
func (d *demonstration) tooEarly(token string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		witness, err := d.enter(ctx, token)
		if err != nil {
			return "", err
		}
		defer witness.Close()
		c, err := sioclient.Connect(ctx, d.url)
		if err != nil {
			return "", err
		}
		defer c.Close()
		early, err := c.Call("message", "too early")
		if err != nil {
			return "", err
		}
		e, err := d.authenticate(ctx, c, token)
		if err != nil || e.Name != "authenticated" {
			return "", unexpected(e, err, "authenticated")
		}
		late, err := c.Call("message", "in time")
		if err != nil {
			return "", err
		}
		select {
		case <-late: // answered in order, so the early one would have been before
		case <-ctx.Done():
			return "", errors.New("the event after authentication was not acknowledged")
		}
		select {
		case <-early:
			return "", errors.New("it was acknowledged")
		default:
		}
		said, err := text(ctx, witness)
		if err != nil || said != "in time" {
			return "", unexpectedText(said, err, "in time")
		}
		return "dropped: no handler ran, nobody heard it, no acknowledgement", nil
	}
}

func (d *demonstration) inTime(token string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := d.enter(ctx, token)
		if err != nil {
			return "", err
		}
		defer c.Close()
		answer, err := c.Call("message", "hello")
		if err != nil {
			return "", err
		}
		said, err := text(ctx, c)
		if err != nil || said != "hello" {
			return "", unexpectedText(said, err, "hello")
		}
		select {
		case <-answer:
			return "handled, broadcast and acknowledged", nil
		case <-ctx.Done():
			return "", errors.New("it was not acknowledged")
		}
	}
}

// anotherUser shows that a live socket keeps its identity.
func (d *demonstration) anotherUser(token, other string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := d.enter(ctx, token)
		if err != nil {
			return "", err
		}
		defer c.Close()
		if err := c.Emit("authenticate", map[string]string{"token": other}); err != nil {
			return "", err
		}
		e, err := next(ctx, c, "unauthorized")
		if err != nil {
			return "", err
		}
		why, err := reason(e, "the token is not the same user's")
		if err != nil {
			return "", err
		}
		if err := c.Emit("message", "still me"); err != nil {
			return "", err
		}
		if said, err := text(ctx, c); err != nil || said != "still me" {
			return "", unexpectedText(said, err, "still me")
		}
		return why + ", still who it was", nil
	}
}

// expires shows that a session does not outlive its token, and is told before.
func (d *demonstration) expires(token func() string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := d.enter(ctx, token())
		if err != nil {
			return "", err
		}
		defer c.Close()
		if _, err := next(ctx, c, "token_expiring"); err != nil {
			return "", err
		}
		e, err := next(ctx, c, "unauthorized")
		if err != nil {
			return "", err
		}
		why, err := ended(ctx, c, e, "jwt expired")
		if err != nil {
			return "", err
		}
		return "told that it is about to, then " + why + ", disconnected", nil
	}
}

// renewed shows that a new token of the same user's carries a session on. That it
// outlives the old one, another session's end shows: its token expires no
// earlier.
func (d *demonstration) renewed(token func() string, other string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c, err := d.enter(ctx, token())
		if err != nil {
			return "", err
		}
		defer c.Close()
		if _, err := next(ctx, c, "token_expiring"); err != nil {
			return "", err
		}
		if err := c.Emit("authenticate", map[string]string{"token": other}); err != nil {
			return "", err
		}
		if _, err := next(ctx, c, "authenticated"); err != nil {
			return "", err
		}
		if _, err := d.expires(token)(ctx); err != nil {
			return "", fmt.Errorf("the session beside it: %w", err)
		}
		if err := c.Emit("message", "still here"); err != nil {
			return "", err
		}
		if said, err := text(ctx, c); err != nil || said != "still here" {
			return "", unexpectedText(said, err, "still here")
		}
		return "told that it is about to expire, renewed, outlives the old token", nil
	}
}
