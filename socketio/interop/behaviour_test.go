package interop

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// A behaviour is a row of the contract: what a server with this policy and a
// client that acts like that do to each other. Rows know nothing of the server
// library, so that every binding is held to the same ones.
type behaviour struct {
	name string

	// guards holds the policy of each guarded namespace.
	guards map[string]policy
	// public lists namespaces without a policy.
	public []string
	// tls has the server speak TLS and ask for client certificates.
	tls bool

	// script is what the clients do and see, in order. At its end they must not
	// have seen anything else.
	script script

	// calls are the calls that the application gets, in order, by the time that
	// the server has shut down.
	calls []string

	// anyOrder leaves out their order.
	anyOrder bool

	// ends says why each session ended, in the order in which they began:
	// "disconnected" unless it is said otherwise.
	ends []string

	// refusalDelay is how long a refused client is held, 100 ms by default. A row in
	// which the client does something meanwhile needs more on a busy machine.
	refusalDelay time.Duration

	// only limits the row to one generation of clients.
	only generation
}

// patience is for the machine, not for the client: rows that are about the deadline set
// their own.
var patience = socketio.Defaults(socketio.Timeout(jsclient.Deadline))

type generation int

const (
	anyClient generation = iota
	legacy               // 1.x and 2.x
	modern               // 3.x and later
)

// policy is how a namespace is guarded: by a verifier with these options and
// keys.
type policy struct {
	verify  []verifier.Option
	options []socketio.Option
	keys    func(t testing.TB) verifier.KeyProvider // the one secret by default
	auth    func(t testing.TB) authenticator        // in place of both
}

type authenticator = socketio.Authenticator

// with is p with other keys.
func (p policy) with(provider func(t testing.TB) verifier.KeyProvider) policy {
	p.keys = provider
	return p
}

func (p policy) authenticator(t testing.TB) authenticator {
	t.Helper()
	if p.auth != nil {
		return p.auth(t)
	}
	provider := secretKey
	if p.keys != nil {
		provider = p.keys
	}
	v, err := verifier.New(provider(t), p.verify...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// keyFunc makes a function a key provider.
func keyFunc(f func() ([]*verifier.Key, error)) verifier.KeyProvider {
	return verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) { return f() })
}

var transportChoices = []struct {
	name       string
	transports []string
}{
	{"default", nil},
	{"websocket", jsclient.Websocket},
	{"polling", jsclient.Polling},
}

func TestBehaviours(t *testing.T) {
	for _, b := range bindings {
		for _, version := range b.versions {
			for _, choice := range transportChoices {
				for _, row := range behaviours() {
					if row.only == legacy && version.Modern() || row.only == modern && !version.Modern() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%s", b.name, version, choice.name, row.name), func(t *testing.T) {
						t.Parallel()
						row.run(t, b, version, choice.transports)
					})
				}
			}
		}
	}
}

func (row behaviour) run(t *testing.T, b binding, version jsclient.Version, transports []string) {
	a := &app{}
	c := config{
		guards: map[string]guard{}, public: row.public, app: a, tls: row.tls, refusalDelay: cmp.Or(row.refusalDelay, 100*time.Millisecond),
		logger: slog.New(slog.NewTextHandler(a, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for namespace, p := range row.guards {
		options := []socketio.Option{socketio.OnSuccess(a.success), socketio.OnFailure(a.failure), socketio.WithLogger(c.logger), patience}
		c.guards[namespace] = guard{p.authenticator(t), append(options, p.options...)}
	}
	r := &run{
		TB: t, binding: b, driver: jsclient.Start(t), app: a, version: version, transports: transports,
		named: map[string]*jsclient.Client{},
	}
	r.server = b.start(t, c)
	t.Cleanup(r.server.Close) // after the clients' own
	at := 0
	t.Cleanup(func() { // before the others
		if t.Failed() {
			t.Logf("the row's script got to step %d of %d; the server's log:\n%s", at, len(row.script), a.logged())
		}
	})
	for _, s := range row.script {
		at++
		s(r)
	}
	for _, client := range r.named {
		if !client.Closed() {
			client.ExpectSilence(t)
		}
	}
	for _, ack := range r.acks {
		if ack.Answered() {
			t.Errorf("an event was acknowledged that should not have been\n%s", r.client.Log())
		}
	}
	for _, client := range r.named {
		client.Close(t)
	}
	r.server.Close()
	got := a.noted()
	// A failure is reported when the socket has ended, beside its end.
	failuresFirst(got)
	if row.anyOrder {
		slices.Sort(got)
		slices.Sort(row.calls)
	}
	if !slices.Equal(got, row.calls) {
		t.Errorf("the application was called\n\t%s\nwant\n\t%s\n%s",
			strings.Join(got, "\n\t"), strings.Join(row.calls, "\n\t"), r.client.Log())
	}
	for i, got := range a.ends() {
		want := "disconnected"
		if row.ends != nil {
			want = row.ends[i]
		}
		if got != want {
			t.Errorf("session %d ended because: %s; want: %s\n%s", i, got, want, r.client.Log())
		}
	}
}

// failuresFirst puts the failure that ended a socket before its end.
func failuresFirst(calls []string) {
	for i := 1; i < len(calls); i++ {
		if calls[i-1] == "disconnected" && strings.HasPrefix(calls[i], "failure ") {
			calls[i-1], calls[i] = calls[i], calls[i-1]
		}
	}
}
