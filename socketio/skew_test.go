package socketio_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// refusal is why a token would be refused now.
func refusal(t *testing.T, a *socketio.Authorizer, word string) *verifier.UnauthorizedError {
	t.Helper()
	_, err := a.Admit(t.Context(), withToken("/", word))
	return verifier.AsUnauthorized(err)
}

// TestFaultsC1IssuerAhead: "log out everywhere" ends every session there is, whatever its
// token claims about its iat, and its tokens stay out, on every node; the user's next
// login is accepted.
func TestFaultsC1IssuerAhead(t *testing.T) {
	for name, row := range map[string]struct{ first, second string }{
		"5 s ahead":                {"alice jti=1 iat=5", "alice jti=2 iat=4"},
		"5 s ahead, without a jti": {"alice iat=5", "alice iat=4"},
		"an hour ahead":            {"alice jti=1 iat=3600", "alice jti=2 iat=3600"},
		"half a second ahead":      {"alice jti=1 iat=0.5", "alice iat=0.25"},
		"not ahead":                {"alice jti=1", "alice iat=-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemoryStore()
				var nodes []*socketio.Authorizer
				for range 2 {
					r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
					defer r.Close()
					nodes = append(nodes, newLive(t, socketio.ByHandshake(), socketio.WithRegistry(r)))
				}
				synctest.Wait()
				_, first := begun(t, nodes[0], row.first)
				_, second := begun(t, nodes[1], row.second)
				time.Sleep(10 * time.Millisecond)
				if err := nodes[0].Registry().Revoke(t.Context(), socketio.Revocation{Subject: "alice", IssuedBefore: time.Now()}); err != nil {
					t.Fatal(err)
				}
				first.want(t, revoked, "close")
				second.want(t, revoked, "close")
				if err := nodes[0].Registry().Err(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// fixed is an authenticator whose tokens are those of the map.
func fixed(tokens map[string]*verifier.Token) socketio.AuthenticatorFunc {
	return func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		raw, err := verifier.DefaultExtractor().Extract(ctx, h)
		return tokens[raw], err
	}
}

// TestFaultsC1StaysOut: the token of a session that was ended stays out when its iat has
// passed; that of a later login, by the same fast clock, gets in as soon as its iat can be
// believed, and is told that it may try again until then.
func TestFaultsC1StaysOut(t *testing.T) {
	for name, jti := range map[string]bool{"by its jti": true, "without a jti": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const ahead = 5 * time.Second
				token := func(id string, login time.Duration) *verifier.Token {
					tok := &verifier.Token{Issuer: "issuer", Subject: "alice", IssuedAt: time.Now().Add(login + ahead).Truncate(time.Second)}
					if jti {
						tok.ID = id
					}
					return tok
				}
				store := newMemoryStore()
				tokens := map[string]*verifier.Token{"old": token("1", -time.Minute), "recent": token("2", 0), "next": token("3", 2*time.Second)}
				var nodes []*socketio.Authorizer
				for range 2 {
					r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
					defer r.Close()
					a, err := socketio.New(fixed(tokens), quiet(), socketio.ByHandshake(), socketio.WithRegistry(r))
					if err != nil {
						t.Fatal(err)
					}
					nodes = append(nodes, a)
				}
				synctest.Wait()
				g, _ := begun(t, nodes[0], "recent")
				time.Sleep(time.Second)
				if err := nodes[1].Registry().Revoke(t.Context(), socketio.Revocation{Subject: "alice", IssuedBefore: time.Now()}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if g.Session() != nil {
					t.Error("the session lives")
				}
				time.Sleep(time.Second) // the next login
				if u := refusal(t, nodes[0], "next"); u == nil || !u.Retryable || u.Reason != socketio.ErrTokenRevoked {
					t.Errorf("the next login, at once: %+v", u)
				}
				time.Sleep(10 * time.Second)
				for i, a := range nodes {
					for word, in := range map[string]bool{"old": false, "recent": false, "next": true} {
						if u := refusal(t, a, word); (u == nil) != in || u != nil && u.Retryable {
							t.Errorf("node %d, %s: %v", i, word, u)
						}
					}
				}
			})
		})
	}
}

// TestFaultsB6Logout: a logout by sid and sub finds the sessions whose token has no sid;
// one that finds none says so.
func TestFaultsB6Logout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Buffer
		ended := []int{}
		a := newLive(t)
		h := newLogoutWith(t, a.Registry(), &log, func(_ *verifier.Token, n int) { ended = append(ended, n) })
		logout := func(changes map[string]any, want int, left string) {
			t.Helper()
			before := len(log.String())
			if w := post(h, url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(changes))}}); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			synctest.Wait()
			if got := ids(a.Registry(), socketio.Filter{}); got != left {
				t.Errorf("left are %s, want %s", got, left)
			}
			if n := ended[len(ended)-1]; n != want {
				t.Errorf("%d sessions ended, want %d", n, want)
			}
			if strings.Contains(log.String()[before:], "matched no session") != (want == 0) {
				t.Errorf("the log says %q", log.String())
			}
		}
		for _, word := range []string{"alice jti=1", "alice jti=2 sid=s1", "alice jti=3 sid=s2", "alice jti=4 iss=other", "bob jti=5"} {
			g, _ := join(t, a, word)
			defer g.Closed()
		}
		logout(map[string]any{"jti": "a"}, 2, "/3 /4 /5")                // sid s1 and sub alice
		logout(map[string]any{"jti": "b", "sid": "none"}, 0, "/3 /4 /5") // another session's
		logout(map[string]any{"jti": "c", "sid": "s9", "sub": nil}, 0, "/3 /4 /5")
		logout(map[string]any{"jti": "d", "sid": nil}, 1, "/4 /5")
		for word, want := range map[string]bool{"alice jti=1 iat=-1": false, "alice iat=1": true, "alice sid=s2 iat=1": true, "alice sid=s1 iat=1": false} {
			g, _ := enter(t, a, "/", word)
			if (g.Session() != nil) != want {
				t.Errorf("%s: %v", word, !want)
			}
			g.Closed()
		}
	})
}

// TestFaultsI9Outage: renewals that an outage fails cost a session nothing, however many
// there are and however slowly they fail.
func TestFaultsI9Outage(t *testing.T) {
	for name, slow := range map[string]time.Duration{"at once": 0, "slowly": 4 * time.Second, "by the timeout": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				a, err := socketio.New(socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
					if !down.Load() {
						return words(ctx, h)
					}
					select {
					case <-time.After(slow):
						return nil, &verifier.UnauthorizedError{Reason: verifier.ErrKeysUnavailable, Retryable: true}
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}), quiet(), socketio.EndOnFailedRenewal())
				if err != nil {
					t.Fatal(err)
				}
				g, s := join(t, a, "ada")
				down.Store(true)
				for range 100 {
					g.Authenticate(token("ada jti=2"))
					time.Sleep(time.Second)
				}
				down.Store(false)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				g.Authenticate(token("ada jti=3"))
				synctest.Wait()
				if s := g.Session(); s == nil || s.Token().ID != "3" {
					t.Errorf("the session is %v", s)
				}
				if s.closed > 0 {
					t.Errorf("the socket was closed by %v", s.cause)
				}
				g.Closed()
			})
		})
	}
	// What is not an outage still counts.
	synctest.Test(t, func(t *testing.T) {
		g, s := join(t, newLive(t), "ada")
		for range 3 {
			g.Authenticate(token("forged"))
			synctest.Wait()
		}
		if !errors.Is(s.cause, verifier.ErrSignatureInvalid) {
			t.Errorf("closed by %v", s.cause)
		}
	})
}

// TestFaultsCMaxSessionAge: the age of a session is that of whichever clock says more,
// also after a renewal.
func TestFaultsCMaxSessionAge(t *testing.T) {
	for _, row := range []struct {
		name string
		jump time.Duration // after ten minutes, before a renewal for half an hour
		ends time.Duration // after it
	}{
		{"no jump", 0, 50 * time.Minute},
		{"set back", -24 * time.Hour, 50 * time.Minute},
		{"suspended", 40 * time.Minute, 10 * time.Minute},
	} {
		for _, renewal := range []time.Duration{30 * time.Minute, 48 * time.Hour} {
			t.Run(row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var offset atomic.Int64
					var began atomic.Bool
					now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }
					a, err := socketio.New(socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
						if began.CompareAndSwap(false, true) {
							return &verifier.Token{Subject: "ada", ExpiresAt: now().Add(48 * time.Hour)}, nil
						}
						return &verifier.Token{Subject: "ada", ExpiresAt: now().Add(renewal)}, nil
					}), quiet(), socketio.MaxSessionAge(time.Hour), socketio.WithClock(now))
					if err != nil {
						t.Fatal(err)
					}
					g, s := join(t, a, "ada")
					time.Sleep(10 * time.Minute)
					offset.Store(int64(row.jump))
					g.Authenticate(token("ada"))
					s.want(t, renewed)
					ends := min(row.ends, renewal)
					time.Sleep(ends - time.Second)
					if g.Session() == nil {
						t.Errorf("the session ended early: %q", s.log)
					}
					time.Sleep(time.Second)
					if g.Session() != nil {
						t.Error("the session lives on")
					}
					g.Closed()
				})
			})
		}
	}
}
