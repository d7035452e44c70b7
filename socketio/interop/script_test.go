package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// The client's side of the table: the steps of a script.

// script is a sequence of steps.
type script []step

type step func(r *run)

// run is one row in progress with one version of the client over one choice of
// transports.
type run struct {
	testing.TB
	binding    binding
	driver     *jsclient.Driver
	server     server
	app        *app
	version    jsclient.Version
	transports []string

	client *jsclient.Client // the one that acts
	named  map[string]*jsclient.Client
	seen   jsclient.Event // the last one
	acks   []*jsclient.Ack
}

// opens starts a client. The options need neither version, URL nor transports.
// Several clients of a run share a connection if their options say so.
func opens(o jsclient.Options) step {
	return func(r *run) {
		o := o // rows are shared by runs
		o.Version, o.URL, o.Transports = r.version, r.server.URL(), r.transports
		r.client = r.driver.Connect(r, o)
		r.named[strings.SplitN(o.Namespace, "?", 2)[0]] = r.client
	}
}

// called names the client that acts, for as. By default a client has the name
// of its namespace.
func called(name string) step {
	return func(r *run) {
		for old, c := range r.named {
			if c == r.client {
				delete(r.named, old)
			}
		}
		r.named[name] = r.client
	}
}

// as goes on with the client of a name.
func as(name string) step {
	return func(r *run) { r.client = r.named[name] }
}

// sees waits for the client's next event and compares its arguments, a JSON
// array.
func sees(event, args string) step {
	return func(r *run) {
		r.Helper()
		r.seen = r.client.ExpectNext(r, event)
		if got, want := r.seen.JSON(), jsclient.Canonical(args); got != want {
			r.Fatalf("%s has the arguments\n%s, want\n%s\n%s", event, got, want, r.client.Log())
		}
	}
}

// connects waits for the client to be connected.
func connects() step { return sees("connect", "[]") }

// disconnected waits for the server to disconnect the client, for good.
func disconnected() step {
	return func(r *run) {
		r.Helper()
		sees("disconnect", `["io server disconnect"]`)(r)
		if r.client.State(r).Reconnecting {
			r.Fatalf("the client reconnects\n%s", r.client.Log())
		}
	}
}

// refused waits for the client to be refused without having been connected, and to stay
// away.
func refused(f refusal) step {
	return func(r *run) {
		r.Helper()
		if r.version.Modern() {
			sees("connect_error", connectErrorArgs(f))(r)
		} else {
			sees("error", "["+f.json()+"]")(r)
			sees("disconnect", `["io server disconnect"]`)(r)
		}
		if s := r.client.State(r); s.Reconnecting || s.Connected {
			r.Fatalf("the refused client is %+v\n%s", s, r.client.Log())
		}
	}
}

// unauthorized waits for the event of that name, which always asks for an
// acknowledgement.
func unauthorized(f refusal) step {
	return func(r *run) {
		r.Helper()
		sees("unauthorized", unauthorizedArgs(f))(r)
		if !r.seen.WantsAck() {
			r.Fatalf("%s\n%s", r.seen, r.client.Log())
		}
	}
}

// acknowledges calls the acknowledgement that came with the last event seen.
func acknowledges() step { return func(r *run) { r.Helper(); r.seen.Ack(r) } }

// asksNoAck fails if the last event seen asks for an acknowledgement.
func asksNoAck() step {
	return func(r *run) {
		r.Helper()
		if r.seen.WantsAck() {
			r.Fatalf("%s\n%s", r.seen, r.client.Log())
		}
	}
}

// emits emits an event.
func emits(event string, args ...any) step {
	return func(r *run) { r.Helper(); r.client.Emit(r, event, args...) }
}

// notes waits for a call to the application, which may be later than what the client
// sees of it.
func notes(call string) step {
	return func(r *run) {
		r.Helper()
		for end := time.Now().Add(jsclient.Deadline); !slices.Contains(r.app.noted(), call); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				r.Fatalf("the application was not called %q\n%s", call, r.client.Log())
			}
		}
	}
}

// authenticates emits "authenticate" with a token.
func authenticates(token any) step { return emits("authenticate", map[string]any{"token": token}) }

// asks emits an event with one argument and compares the acknowledgement, a
// JSON array.
func asks(event string, arg any, want string) step {
	return func(r *run) {
		r.Helper()
		var parts []string
		for _, a := range r.client.EmitAck(r, event, arg).Wait(r) {
			parts = append(parts, string(a))
		}
		if got := jsclient.Canonical("[" + strings.Join(parts, ",") + "]"); got != jsclient.Canonical(want) {
			r.Fatalf("%s is acknowledged with %s, want %s\n%s", event, got, want, r.client.Log())
		}
	}
}

// asksWithoutAnswer emits an event whose acknowledgement must not have come by the end
// of the script.
func asksWithoutAnswer(event string, arg any) step {
	return func(r *run) { r.Helper(); r.acks = append(r.acks, r.client.EmitAck(r, event, arg)) }
}

// closes has the client disconnect.
func closes() step { return func(r *run) { r.Helper(); r.client.Close(r) } }

// silence fails if the client has seen anything else by now.
func silence() step { return func(r *run) { r.Helper(); r.client.ExpectSilence(r) } }

// broadcasts has the server emit an event to a namespace.
func broadcasts(namespace, event string, args ...any) step {
	return func(r *run) { r.server.Broadcast(namespace, event, args...) }
}

// upgrades waits for a client with default transports to be on websocket.
func upgrades() step {
	return func(r *run) {
		r.Helper()
		if r.transports == nil {
			r.client.ExpectUpgrade(r)
		}
	}
}

// refusal is what a client is told.
type refusal struct {
	code, message, reason string
	retryable             bool
}

func (f refusal) json() string {
	return fmt.Sprintf(`{"message": %q, "code": %q, "type": "UnauthorizedError", "reason": %q, "retryable": %v}`,
		f.message, f.code, f.reason, f.retryable)
}

func unauthorizedArgs(f refusal) string {
	return fmt.Sprintf(`[{"message": %[1]q, "inner": {"message": %[1]q}, "data": %[2]s}]`, f.message, f.json())
}

func connectErrorArgs(f refusal) string {
	return fmt.Sprintf(`[{"$error": "Error", "message": %q, "data": %s}]`, f.message, f.json())
}
