package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// words is an authenticator whose tokens are lists of words: the subject, and
// then claims, such as "alice exp=60 jti=7". Times are in seconds from now.
func words(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	raw, err := verifier.DefaultExtractor().Extract(ctx, h)
	if err != nil {
		return nil, err
	}
	name, claims, _ := strings.Cut(raw, " ")
	t := &verifier.Token{Subject: name, Issuer: "issuer", IssuedAt: time.Now()}
	switch name {
	case "", "forged", "late":
		return nil, map[string]error{
			"":       &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing},
			"forged": &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: verifier.ErrSignatureInvalid},
			"late":   &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "jwt expired", Reason: verifier.ErrTokenExpired},
		}[name]
	case "outage":
		return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidSecret, Message: "keys unavailable", Reason: verifier.ErrKeysUnavailable, Retryable: true}
	case "nobody":
		t.Subject = ""
	}
	for _, claim := range strings.Fields(claims) {
		claim, value, _ := strings.Cut(claim, "=")
		seconds, _ := strconv.ParseFloat(value, 64)
		at := time.Now().Add(time.Duration(seconds * float64(time.Second)))
		switch claim {
		case "exp":
			t.ExpiresAt = at
		case "iat":
			t.IssuedAt = at
		case "iss":
			t.Issuer = value
		case "sid":
			t.SessionID = value
		case "jti":
			t.ID = value
		case "in": // takes its time
			time.Sleep(time.Until(at))
		default:
			panic("no such claim: " + claim)
		}
	}
	return t, nil
}

func newLive(t testing.TB, options ...socketio.Option) *socketio.Authorizer {
	t.Helper()
	options = append([]socketio.Option{socketio.Defaults(socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))}, options...)
	a, err := socketio.New(socketio.AuthenticatorFunc(words), options...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// join attaches a socket and authenticates it.
func join(t *testing.T, a *socketio.Authorizer, word string) (*socketio.Guard, *fakeSocket) {
	t.Helper()
	s := &fakeSocket{}
	g := a.Attach(s, handshake, nil)
	g.Authenticate(token(word))
	synctest.Wait()
	if g.Session() == nil {
		t.Fatalf("%q has no session: %q", word, s.log)
	}
	s.log = nil
	return g, s
}

const (
	expired = "emit unauthorized invalid_token/jwt expired/token_expired"
	revoked = "emit unauthorized invalid_token/jwt revoked/token_revoked"
	aged    = "emit unauthorized invalid_token/session expired/session_expired"
	renewed = "emit authenticated"
)

func expiring(seconds int) string { return fmt.Sprintf("emit token_expiring in %d s", seconds) }

// TestLifetime: what a client sees of its session's end, and when. A time without
// lines is one at which nothing must have happened.
func TestLifetime(t *testing.T) {
	type at struct {
		time  time.Duration
		send  string // a token
		lines []string
	}
	const (
		s   = time.Second
		day = 24 * time.Hour
	)
	tests := []struct {
		name    string
		options []socketio.Option
		token   string
		script  []at
		cause   error // of the session's end; nil if it goes on
	}{
		{"exp", nil, "alice exp=120", []at{
			{60*s - 1, "", nil}, {60 * s, "", []string{expiring(60)}},
			{120*s - 1, "", nil}, {120 * s, "", []string{expired, "close"}}, {240 * s, "", nil},
		}, verifier.ErrTokenExpired},
		{"a token shorter than the notice", nil, "alice exp=30", []at{
			{15*s - 1, "", nil}, {15 * s, "", []string{expiring(15)}}, {30 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"a token that has expired meanwhile", nil, "alice exp=1 in=0.999999999", []at{
			{s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"grace", []socketio.Option{socketio.ExpiryGrace(10 * s)}, "alice exp=120", []at{
			{70 * s, "", []string{expiring(60)}}, {130*s - 1, "", nil}, {130 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"another notice", []socketio.Option{socketio.ExpiryNotice("hurry", 2*s)}, "alice exp=120", []at{
			{118*s - 1, "", nil}, {118 * s, "", []string{"emit hurry in 2 s"}}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"no notice", []socketio.Option{socketio.ExpiryNotice("", 0)}, "alice exp=120", []at{
			{120*s - 1, "", nil}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"expiration ignored", []socketio.Option{socketio.IgnoreExpiration()}, "alice exp=120", []at{{day, "", nil}}, nil},
		{"no exp", nil, "alice", []at{{1000 * day, "", nil}}, nil},
		{"an exp beyond what a timer counts", nil, "alice exp=9000000000", []at{{day, "", nil}}, nil},
		{"an age without exp", []socketio.Option{socketio.MaxSessionAge(time.Hour)}, "alice", []at{
			{time.Hour - 1, "", nil}, {time.Hour, "", []string{aged, "close"}},
		}, socketio.ErrSessionExpired},
		{"an age with expiration ignored", []socketio.Option{socketio.MaxSessionAge(time.Hour), socketio.IgnoreExpiration()}, "alice exp=1", []at{
			{time.Hour - 1, "", nil}, {time.Hour, "", []string{aged, "close"}},
		}, socketio.ErrSessionExpired},
		{"an age that no renewal extends", []socketio.Option{socketio.MaxSessionAge(300 * s)}, "alice exp=200", []at{
			{140 * s, "", []string{expiring(60)}}, {150 * s, "alice exp=1000", []string{renewed}},
			{300*s - 1, "", nil}, {300 * s, "", []string{aged, "close"}},
		}, socketio.ErrSessionExpired},
		{"no notice of an end that no renewal puts off", []socketio.Option{socketio.MaxSessionAge(300 * s)}, "alice exp=320", []at{
			{300*s - 1, "", nil}, {300 * s, "", []string{aged, "close"}},
		}, socketio.ErrSessionExpired},
		{"exp before the age", []socketio.Option{socketio.MaxSessionAge(300 * s)}, "alice exp=120", []at{
			{60 * s, "", []string{expiring(60)}}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"renewed, and again", nil, "alice exp=120", []at{
			{60 * s, "", []string{expiring(60)}}, {61 * s, "alice exp=120", []string{renewed}},
			{121*s - 1, "", nil}, {121 * s, "", []string{expiring(60)}}, {122 * s, "alice exp=120", []string{renewed}},
			{182 * s, "", []string{expiring(60)}}, {242*s - 1, "", nil}, {242 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"renewed before the notice", nil, "alice exp=120", []at{
			{30 * s, "alice exp=200", []string{renewed}}, {170*s - 1, "", nil}, {170 * s, "", []string{expiring(60)}},
		}, nil},
		{"renewed by a token that never expires", nil, "alice exp=120", []at{
			{30 * s, "alice", []string{renewed}}, {day, "", nil},
		}, nil},
		{"renewed by a shorter token", nil, "alice exp=1000", []at{
			{30 * s, "alice exp=90", []string{renewed}}, {75 * s, "", []string{expiring(45)}}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"not renewed by a bad token", nil, "alice exp=120", []at{
			{30 * s, "forged", []string{"emit unauthorized invalid_token/invalid signature/signature_invalid"}},
			{60 * s, "", []string{expiring(60)}}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"not renewed by another user", nil, "alice exp=120", []at{
			{30 * s, "bob exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
			{60 * s, "", []string{expiring(60)}}, {120 * s, "", []string{expired, "close"}},
		}, verifier.ErrTokenExpired},
		{"not renewed by the same subject of another issuer", nil, "alice exp=120", []at{
			{30 * s, "alice iss=evil exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
			{60 * s, "", []string{expiring(60)}},
		}, nil},
		{"not lowered to nobody", nil, "alice exp=120", []at{
			{30 * s, "nobody exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
		}, nil},
		{"nobody does not renew nobody", nil, "nobody exp=120", []at{
			{30 * s, "nobody exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
		}, nil},
		{"unless the application says so", []socketio.Option{socketio.SameIdentity(func(old, renewed *verifier.Token) bool { return old.ID == renewed.ID })}, "nobody jti=1 exp=120", []at{
			{30 * s, "nobody jti=1 exp=900", []string{renewed}},
			{31 * s, "nobody jti=2 exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
		}, nil},
		{"a check that panics renews nobody", []socketio.Option{socketio.SameIdentity(func(_, _ *verifier.Token) bool { panic("boom") })}, "alice exp=120", []at{
			{30 * s, "alice exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
		}, nil},
		{"a failed renewal ends the session where asked to", []socketio.Option{socketio.EndOnFailedRenewal()}, "alice exp=120", []at{
			{30 * s, "forged", []string{"emit unauthorized invalid_token/invalid signature/signature_invalid", "close"}},
		}, verifier.ErrSignatureInvalid},
		{"another user's too", []socketio.Option{socketio.EndOnFailedRenewal()}, "alice exp=120", []at{
			{30 * s, "bob exp=900", []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch", "close"}},
		}, socketio.ErrIdentityMismatch},
		{"but not an outage", []socketio.Option{socketio.EndOnFailedRenewal()}, "alice exp=120", []at{
			{10 * s, "outage", []string{"emit unauthorized invalid_secret/keys unavailable/keys_unavailable"}},
			{20 * s, "outage", []string{"emit unauthorized invalid_secret/keys unavailable/keys_unavailable"}},
			{30 * s, "outage", []string{"emit unauthorized invalid_secret/keys unavailable/keys_unavailable"}},
			{40 * s, "outage", []string{"emit unauthorized invalid_secret/keys unavailable/keys_unavailable"}},
			{60 * s, "", []string{expiring(60)}}, {70 * s, "alice exp=900", []string{renewed}},
		}, nil},
		{"a renewal that is done just in time", nil, "alice exp=120", []at{
			{60 * s, "", []string{expiring(60)}}, {119 * s, "alice exp=900 in=0.999999999", nil},
			{120*s - 1, "", []string{renewed}}, {959 * s, "", []string{expiring(60)}},
		}, nil},
		{"a renewal that is under way when the session ends", nil, "alice exp=120", []at{
			{60 * s, "", []string{expiring(60)}}, {119 * s, "alice exp=900 in=1.5", nil},
			{120 * s, "", []string{expired, "close"}}, {121 * s, "", nil},
		}, verifier.ErrTokenExpired},
		{"a renewal within the grace", []socketio.Option{socketio.ExpiryGrace(5 * s)}, "alice exp=120", []at{
			{65 * s, "", []string{expiring(60)}}, {122 * s, "alice exp=120", []string{renewed}}, {125 * s, "", nil},
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failures, successes, renewals int
				a := newLive(t, append(test.options,
					socketio.OnSuccess(func(*socketio.Session) { successes++ }),
					socketio.OnRenewed(func(*socketio.Session) { renewals++ }),
					socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { failures++ }))...)
				s := &fakeSocket{}
				began := time.Now()
				g := a.Attach(s, handshake, nil)
				defer g.Closed()
				g.Authenticate(token(test.token))
				synctest.Wait()
				if g.Session() == nil { // it takes its time
					time.Sleep(time.Second - 1)
					synctest.Wait()
				}
				session := g.Session()
				s.want(t, "open authenticated", "handlers for "+session.Token().Subject)
				wantFailures, wantRenewals := 0, 0
				for _, step := range test.script {
					time.Sleep(time.Until(began.Add(step.time)))
					if step.send != "" {
						g.Authenticate(token(step.send))
					}
					s.want(t, step.lines...)
					if t.Failed() {
						t.Fatalf("at %v", step.time)
					}
					for _, line := range step.lines {
						switch {
						case line == renewed:
							wantRenewals++
						case strings.HasPrefix(line, "emit unauthorized"):
							wantFailures++
						}
					}
				}
				if live := g.Session() == session; live != (test.cause == nil) {
					t.Errorf("live: %v", live)
				}
				if cause := context.Cause(session.Context()); !errors.Is(cause, test.cause) {
					t.Errorf("the session ended by %v, want %v", cause, test.cause)
				}
				if successes != 1 || failures != wantFailures || renewals != wantRenewals {
					t.Errorf("OnSuccess %d times, OnFailure %d, OnRenewed %d; want 1, %d, %d", successes, failures, renewals, wantFailures, wantRenewals)
				}
				if n := a.Registry().Count(socketio.Filter{}); n != map[bool]int{true: 1, false: 0}[test.cause == nil] {
					t.Errorf("%d sessions are registered", n)
				}
			})
		})
	}
}

// TestRenewalsAtOnce: they are looked at one after another, and the last one
// counts.
func TestRenewalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		g, s := join(t, newLive(t, socketio.OnRenewed(func(s *socketio.Session) { ids = append(ids, s.Token().ID) })), "alice exp=120 jti=0")
		defer g.Closed()
		g.Authenticate(token("alice exp=1000 jti=1 in=2"))
		g.Authenticate(token("alice exp=500 jti=2"))
		s.want(t)
		time.Sleep(2 * time.Second)
		s.want(t, renewed, renewed)
		if fmt.Sprint(ids) != "[1 2]" || g.Session().Token().ID != "2" {
			t.Errorf("renewed by %v, now %q", ids, g.Session().Token().ID)
		}
		if left := time.Until(g.Session().EndsAt()); left != 500*time.Second {
			t.Errorf("the session ends in %v", left)
		}
		time.Sleep(500*time.Second - 1)
		s.want(t, expiring(60))
		time.Sleep(time.Nanosecond)
		s.want(t, expired, "close")
	})
}

// TestDisconnectDuringVerification: the verification is called off, and its
// result is not one.
func TestDisconnectDuringVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		a, err := socketio.New(socketio.AuthenticatorFunc(func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return &verifier.Token{Subject: "alice"}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		g.Authenticate(token("x"))
		synctest.Wait()
		g.Closed()
		if cause := <-ended; !errors.Is(cause, socketio.ErrDisconnected) {
			t.Errorf("the verification was ended by %v", cause)
		}
		s.want(t)
		if g.Session() != nil || a.Registry().Count(socketio.Filter{}) != 0 {
			t.Error("there is a session")
		}
	})
}

// TestSessionEnd: the application ends a session, and an event that waits for it
// is not served.
func TestSessionEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t)
		g, s := join(t, a, "alice")
		session := g.Session()
		session.End(&verifier.UnauthorizedError{Code: "banned", Message: "you are banned", Reason: "banned"})
		session.End(nil)
		s.want(t, "emit unauthorized banned/you are banned/banned", "close")
		if session.Wait() || !errors.Is(context.Cause(session.Context()), verifier.Reason("banned")) {
			t.Error("the session lives on")
		}

		g, s = join(t, a, "alice")
		g.Session().End(errors.New("10.0.0.1 says so"))
		s.want(t, "emit unauthorized unknown/rejected by the server/rejected", "close")
	})
}
