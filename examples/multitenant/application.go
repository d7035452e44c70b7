package main

import (
	"context"
	"errors"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// application is a chat in which the members of a tenant hear each other, and
// nobody else.
type application struct {
	server *googollee.Server

	mu       sync.RWMutex                 // guards the rest
	tenants  map[string]string            // names by issuer
	sessions map[*socketio.Session]string // the issuers of the live sessions
}

func newApplication(options ...jwks.Option) (*application, error) {
	a := &application{tenants: make(map[string]string), sessions: make(map[*socketio.Session]string)}
	provider, err := jwks.IssuersFunc(a.isTenant, options...)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(provider, verifier.Audience("chat"))
	if err != nil {
		return nil, err
	}
	if a.server, err = googollee.NewServer(nil); err != nil {
		return nil, err
	}
	room, err := a.server.Authorize("/", v, socketio.User(a.tenantOf))
	if err != nil {
		return nil, err
	}
	room.OnAuthenticated(a.enter)
	room.OnDisconnect(func(c *googollee.Conn, _ string) { a.leave(c.Session()) })
	room.OnEvent("message", func(c *googollee.Conn, text string) {
		room.BroadcastTo(c.Session().User().(string), "message", text)
	})
	return a, nil
}

// isTenant is asked before an issuer's keys are fetched, and for every token.
func (a *application) isTenant(_ context.Context, issuer string) (bool, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.tenants[issuer]
	return ok, nil
}

// tenantOf is the tenant's name, which its room is called by: what the verified
// iss says, and not what the client does.
func (a *application) tenantOf(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	name, ok := a.tenants[t.Issuer]
	if !ok {
		return nil, errors.New("the tenant left meanwhile")
	}
	return name, nil
}

func (a *application) enter(c *googollee.Conn, s *socketio.Session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	issuer := s.Token().Issuer
	if _, ok := a.tenants[issuer]; !ok {
		return errors.New("the tenant left meanwhile")
	}
	a.sessions[s] = issuer
	c.Join(s.User().(string))
	return nil
}

func (a *application) leave(s *socketio.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, s)
}

// admit makes the issuer's users those of a tenant.
func (a *application) admit(issuer, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tenants[issuer] = name
}

// dismiss refuses further users of the tenant, and ends the sessions of those
// who are.
func (a *application) dismiss(issuer string) {
	a.mu.Lock()
	delete(a.tenants, issuer)
	var live []*socketio.Session
	for s, of := range a.sessions {
		if of == issuer {
			live = append(live, s)
		}
	}
	a.mu.Unlock()
	for _, s := range live {
		s.End(&verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "the tenant has left", Reason: "tenant_gone"})
	}
}
