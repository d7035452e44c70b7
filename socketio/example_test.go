package socketio_test

import (
	"context"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// printer is the socket of a server library, to which a binding gives these
// methods.
type printer struct{}

func (printer) ID() string                              { return "socket-1" }
func (printer) Emit(event string, _ func(), _ ...any)   { fmt.Println("emit", event) }
func (printer) Open(event string)                       { fmt.Printf("open %q\n", event) }
func (printer) Authenticated(s *socketio.Session) error { return nil }
func (printer) Close(cause error, event string, _ ...any) {
	fmt.Println("emit", event+", close:", cause)
}

// A binding asks whether a socket is admitted, attaches it, and hands events to
// the application while it has a session. The registry ends sessions.
func Example() {
	anybody := socketio.AuthenticatorFunc(func(_ context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		return &verifier.Token{Issuer: "issuer", Subject: h.Query.Get("user")}, nil
	})
	a, err := socketio.New(anybody, socketio.ByHandshake())
	if err != nil {
		fmt.Println(err)
		return
	}
	h := &verifier.Handshake{Namespace: "/", Query: map[string][]string{"user": {"alice"}}}
	pass, err := a.Admit(context.Background(), h)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := a.Attach(printer{}, h, pass)
	if s := guard.Session(); s != nil && s.Wait() {
		fmt.Println("an event of", s.Token().Subject)
	}
	if err := a.Registry().Revoke(context.Background(), socketio.Revocation{Subject: "alice"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println("a session:", guard.Session() != nil)
	// Output:
	// open ""
	// an event of alice
	// emit unauthorized, close: jwt revoked
	// a session: false
}
