package interop

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// lifetime is that of the short tokens here: half of it, when the heads-up comes,
// is long enough for a client to connect and to be answered on a busy machine.
const lifetime = 6 * time.Second

var (
	revokedToken = refusal{"invalid_token", "jwt revoked", "token_revoked", false}
	restarting   = refusal{"server_restarting", "the server restarts", "server_restarting", true}
	tooManyOfOne = refusal{"session_limit", "replaced by a newer session", "session_limit", false}
)

// short mints a token that expires a lifetime after the first call.
func short(name string) func() string {
	var token string
	return func() string {
		if token == "" {
			token = mint(claims{"sub": name, "exp": float64(time.Now().Add(lifetime).UnixMilli()) / 1000})
		}
		return token
	}
}

// opensWith is opens with a token that is minted when its turn comes.
func opensWith(o func(string) jsclient.Options, token func() string) step {
	return func(r *run) { r.Helper(); opens(o(token()))(r) }
}

func inQuery(token string) jsclient.Options { return withQuery(token) }
func inEvent(token string) jsclient.Options { return atOnce(token) }

// callingBack is o for a client that calls the callback of "unauthorized".
func callingBack(o func(string) jsclient.Options) func(string) jsclient.Options {
	return func(token string) jsclient.Options {
		options := o(token)
		options.CallsBack = true
		return options
	}
}

// isWarned waits for the heads-up.
func isWarned() step {
	return func(r *run) {
		r.Helper()
		var arg struct {
			ExpiresIn *int `json:"expires_in"`
		}
		r.seen = r.client.ExpectNext(r, socketio.EventTokenExpiring)
		r.seen.Decode(r, 0, &arg)
		if arg.ExpiresIn == nil || *arg.ExpiresIn < 0 || *arg.ExpiresIn > int(lifetime/time.Second) || r.seen.WantsAck() {
			r.Fatalf("warned by %s, want half of the %v\n%s", r.seen, lifetime, r.client.Log())
		}
	}
}

// keepsID runs steps, after which the client must have the same socket.
func keepsID(steps ...step) step {
	return func(r *run) {
		r.Helper()
		before := r.client.State(r)
		for _, s := range steps {
			s(r)
		}
		if after := r.client.State(r); after.ID != before.ID || after.SID != before.SID || !after.Connected {
			r.Fatalf("the socket was %+v, is %+v\n%s", before, after, r.client.Log())
		}
	}
}

// ends ends the first session, as the application may.
func ends(err error) step {
	return func(r *run) {
		r.app.mu.Lock()
		s := r.app.sessions[0]
		r.app.mu.Unlock()
		s.End(err)
	}
}

// comingBack is o for a client that comes back soon.
func comingBack(o func(string) jsclient.Options) func(string) jsclient.Options {
	return func(token string) jsclient.Options {
		options := o(token)
		options.Extra = map[string]any{"reconnectionDelay": 20}
		return options
	}
}

// cutOff waits for the end of the transport.
func cutOff() step { return sees("disconnect", `["transport close"]`) }

// liveRows are the ways in which a session can go on and end once it has begun.
func liveRows() []behaviour {
	gone := script{asksWithoutAnswer("whoami", 0), broadcasts("/", "news", 2), silence()}
	var rows []behaviour
	for name, mode := range map[string]struct {
		policy  policy
		present func(string) jsclient.Options
		begins  script
	}{
		"event":     {byEvent(), inEvent, script{connects(), sees("authenticated", "[]")}},
		"handshake": {byHandshake(), inQuery, script{connects()}},
	} {
		rows = append(rows, behaviour{
			name: "live/" + name + "/the token expires", guards: root(mode.policy),
			script: concat(script{opensWith(callingBack(mode.present), short("alice"))}, mode.begins, script{
				asks("whoami", 0, `["alice"]`), broadcasts("/", "news", 1), sees("news", "[1]"),
				isWarned(), unauthorized(expired), disconnected(),
			}, gone),
			calls: []string{"authenticated alice", "success alice", "failure token_expired", "disconnected"},
			ends:  []string{"token_expired"},
		})
		limited := mode.policy
		limited.options = append(limited.options[:len(limited.options):len(limited.options)], socketio.SessionLimit(1, socketio.EvictOldest))
		rows = append(rows, behaviour{
			name: "live/" + name + "/the newer session replaces the older", guards: root(limited),
			script: concat(
				script{opens(mode.present(alice)), called("older")}, mode.begins, script{asks("whoami", 0, `["alice"]`)},
				script{opens(mode.present(alice)), called("newer")}, mode.begins, script{asks("whoami", 0, `["alice"]`)},
				script{as("older"), unauthorized(tooManyOfOne), disconnected(), silence(), as("newer"), asks("whoami", 0, `["alice"]`)}),
			calls:    []string{"authenticated alice", "success alice", "authenticated alice", "success alice", "failure session_limit", "disconnected", "disconnected"},
			anyOrder: true, // the one goes while the other comes
			ends:     []string{"session_limit", "disconnected"},
		})
		rows = append(rows, behaviour{
			name: "live/" + name + "/the application ends it", guards: root(mode.policy),
			script: concat(script{opens(callingBack(mode.present)(alice))}, mode.begins, script{
				asks("whoami", 0, `["alice"]`),
				ends(&verifier.UnauthorizedError{Code: "invalid_token", Message: "jwt revoked", Reason: socketio.ErrTokenRevoked}),
				unauthorized(revokedToken), disconnected(),
			}, gone),
			calls: []string{"authenticated alice", "success alice", "failure token_revoked", "disconnected"},
			ends:  []string{"token_revoked"},
		})
		if name == "handshake" {
			rows = append(rows, behaviour{
				name: "live/the application ends it for now", guards: root(mode.policy), refusalDelay: time.Nanosecond,
				script: script{
					opensWith(comingBack(mode.present), func() string { return alice }), connects(), asks("whoami", 0, `["alice"]`),
					ends(&verifier.UnauthorizedError{Code: "server_restarting", Message: "the server restarts", Reason: "server_restarting", Retryable: true}),
					unauthorized(restarting), cutOff(), returns(), asks("whoami", 0, `["alice"]`),
				},
				calls: []string{"authenticated alice", "success alice", "failure server_restarting", "disconnected", "authenticated alice", "success alice", "disconnected"},
				ends:  []string{"server_restarting", "disconnected"},
			})
			continue // how a session began is nothing to its renewal
		}
		token := short("alice")
		rows = append(rows, behaviour{
			name: "live/" + name + "/renewed, beside one who ignores the heads-up", guards: root(mode.policy),
			script: concat(
				script{opensWith(mode.present, token), called("renewing")}, mode.begins,
				script{notes("success alice"), opensWith(mode.present, token), called("ignoring")}, mode.begins,
				script{
					as("renewing"), isWarned(), keepsID(authenticates(alice), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)),
					as("ignoring"), isWarned(), unauthorized(expired), disconnected(),
					as("renewing"), keepsID(asks("whoami", 0, `["alice"]`), broadcasts("/", "news", 1), sees("news", "[1]"), asks("whoami", 0, `["alice"]`)),
					as("ignoring"), silence(), as("renewing"),
				}),
			calls: []string{"authenticated alice", "success alice", "authenticated alice", "success alice", "failure token_expired", "disconnected", "disconnected"},
			ends:  []string{"disconnected", "token_expired"},
		})
	}
	return rows
}

func concat(parts ...script) script {
	var all script
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestNothingPassesAfterExpiry: a client that talks all the time and a server that
// broadcasts all the time, across the moment of expiry. No event that the client
// sent afterwards is handled, and none comes to it.
func TestNothingPassesAfterExpiry(t *testing.T) {
	for _, b := range bindings {
		for _, version := range b.versions {
			for _, choice := range transportChoices {
				t.Run(fmt.Sprintf("%s/%s/%s", b.name, version, choice.name), func(t *testing.T) {
					t.Parallel()
					a := &app{}
					logger := slog.New(slog.NewTextHandler(a, nil))
					server := b.start(t, config{app: a, logger: logger, refusalDelay: 100 * time.Millisecond, guards: map[string]guard{"/": {
						policy{}.authenticator(t), []socketio.Option{socketio.ByEvent(), socketio.WithLogger(logger), socketio.OnSuccess(a.success)},
					}}})
					t.Cleanup(server.Close)
					exp := time.UnixMilli(time.Now().Add(lifetime).UnixMilli())
					o := atOnce(mint(claims{"sub": "alice", "exp": float64(exp.UnixMilli()) / 1000}))
					o.Version, o.URL, o.Transports = version, server.URL(), choice.transports
					c := jsclient.Start(t).Connect(t, o)
					c.Expect(t, "authenticated")
					var sent []time.Time
					for after := 0; after < 10; {
						n := len(sent)
						sent = append(sent, time.Now())
						c.Emit(t, "say", n)
						server.Broadcast("/", "news", n)
						if c.Saw("disconnect") {
							after++ // a few more, which must come to nothing
						}
					}
					told := false
					news := 0
					for _, e := range c.Seen() {
						switch {
						case e.Name == "unauthorized":
							told = true
						case e.Name == "news" && told:
							t.Fatalf("an event came after the end\n%s", c.Log())
						case e.Name == "news":
							news++
						}
					}
					server.Close()
					said := 0
					for _, call := range a.noted() {
						var n int
						if _, err := fmt.Sscanf(call, "say %d by alice", &n); err != nil {
							continue
						}
						said++
						if !sent[n].Before(exp) {
							t.Errorf("an event of %v after the end was handled", sent[n].Sub(exp))
						}
					}
					if !told || news == 0 || said == 0 || strings.Join(a.ends(), "") != "token_expired" {
						t.Errorf("told: %v, %d events went out, %d came in, ended by %v\n%s", told, news, said, a.ends(), c.Log())
					}
				})
			}
		}
	}
}
