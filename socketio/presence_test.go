package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// fakePresence is a [socketio.Presence] that says what a test has it say.
type fakePresence struct {
	begin  func(socketio.PresentSession) (bool, error)
	mu     sync.Mutex
	f      *socketio.PresenceFollower
	there  map[string]socketio.PresentSession
	fails  int // of the next updates
	follow func() error
}

func newFakePresence() *fakePresence {
	return &fakePresence{there: make(map[string]socketio.PresentSession)}
}

func (p *fakePresence) Begin(_ context.Context, s socketio.PresentSession, _ int, _ socketio.LimitPolicy) (bool, error) {
	began, err := p.begin(s)
	if began {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.there[s.ID] = s
	}
	return began, err
}

func (p *fakePresence) Update(_ context.Context, put []socketio.PresentSession, removed []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails--; p.fails >= 0 {
		return errors.New("connection refused")
	}
	for _, s := range put {
		p.there[s.ID] = s
	}
	for _, id := range removed {
		delete(p.there, id)
	}
	return nil
}

func (p *fakePresence) Follow(ctx context.Context, f *socketio.PresenceFollower) error {
	if p.follow != nil {
		if err := p.follow(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.f = f
	p.mu.Unlock()
	f.Reached()
	<-ctx.Done()
	return ctx.Err()
}

func (p *fakePresence) Find(context.Context, socketio.Filter) ([]socketio.PresentSession, error) {
	return nil, nil
}
func (p *fakePresence) Count(context.Context, socketio.Filter) (int, error) { return 0, nil }
func (p *fakePresence) End(context.Context, ...string) (int, error)         { return 0, nil }

// ids are the sessions that others know of, by token id.
func (p *fakePresence) ids() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, s := range p.there {
		ids = append(ids, s.TokenID)
	}
	return strings.Join(ids, " ")
}

func present(t *testing.T, p *fakePresence, failOpen bool) (*socketio.Registry, *socketio.Authorizer) {
	t.Helper()
	r := socketio.NewRegistry(&socketio.RegistryOptions{Presence: p, PresenceFailOpen: failOpen, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return r, newLive(t, socketio.WithRegistry(r), socketio.SessionLimit(1, socketio.EvictOldest))
}

// TestPresenceEndedBeforeItBegan: a session that others end between the reply of Begin
// and the socket does not live.
func TestPresenceEndedBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakePresence()
		p.begin = func(s socketio.PresentSession) (bool, error) {
			p.f.Ended(s.ID, true)
			return true, nil
		}
		_, a := present(t, p, false)
		g, s := enter(t, a, "/", "alice jti=1")
		if g.Session() != nil {
			t.Errorf("the session lives: %q", s.log)
		}
		if ids := p.ids(); ids != "" {
			t.Errorf("others know of %q", ids)
		}
	})
}

// TestPresenceThatFails: an error, a panic or a hang of Begin refuses, or accepts where
// that was asked for; and what it may have left behind is removed.
func TestPresenceThatFails(t *testing.T) {
	for name, fail := range map[string]func(socketio.PresentSession) (bool, error){
		"error": func(socketio.PresentSession) (bool, error) { return false, errors.New("i/o timeout") },
		"panic": func(socketio.PresentSession) (bool, error) { panic("no presence") },
	} {
		for _, open := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newFakePresence()
					p.begin = func(s socketio.PresentSession) (bool, error) {
						p.mu.Lock()
						p.there[s.ID] = s // it arrived, but not the reply
						p.mu.Unlock()
						return fail(s)
					}
					_, a := present(t, p, open)
					g, s := enter(t, a, "/", "alice jti=1")
					want := ""
					if !open {
						s.want(t, "emit unauthorized unknown/try again later/presence_unavailable")
					} else if want = "1"; g.Session() == nil {
						t.Errorf("fail open: %q", s.log)
					}
					if ids := p.ids(); ids != want {
						t.Errorf("others know of %q, want %q", ids, want)
					}
					g.Closed()
				})
			})
		}
	}
}

// TestPresenceRestores: updates that fail are made later, and all sessions are put again
// when others have forgotten them; a Follow that panics is called again.
func TestPresenceRestores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakePresence()
		p.begin = func(socketio.PresentSession) (bool, error) { return true, nil }
		panics := 3
		p.follow = func() error {
			if panics--; panics >= 0 {
				panic("no connection")
			}
			return nil
		}
		r, a := present(t, p, false)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("Err: %v", err)
		}
		if err := r.Synced(t.Context()); err != nil || r.Err() != nil {
			t.Errorf("Synced: %v, Err %v", err, r.Err())
		}
		g, _ := join(t, a, "alice jti=1")
		p.mu.Lock()
		p.fails = 5
		clear(p.there)
		p.mu.Unlock()
		p.f.Restore()
		time.Sleep(10 * time.Second)
		if ids := p.ids(); ids != "1" {
			t.Errorf("others know of %q", ids)
		}
		if n := p.f.Count(); n != 1 {
			t.Errorf("Count is %d", n)
		}
		g.Closed()
		synctest.Wait()
		if ids := p.ids(); ids != "" {
			t.Errorf("others know of %q afterwards", ids)
		}
	})
}

// TestPlaceGivenUp: a client that is admitted by its handshake and connects only after
// its place was given up gets no session beside the one that another node has begun since.
func TestPlaceGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakePresence()
		p.begin = func(socketio.PresentSession) (bool, error) { return true, nil }
		r := socketio.NewRegistry(&socketio.RegistryOptions{Presence: p, Logger: slog.New(slog.DiscardHandler)})
		defer r.Close()
		synctest.Wait()
		a := newLive(t, socketio.WithRegistry(r), socketio.ByHandshake(), socketio.SessionLimit(1, socketio.EvictOldest))
		pass, err := a.Admit(t.Context(), withToken("/", "alice jti=1"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if ids := p.ids(); ids != "" {
			t.Fatalf("the place of %q is still reserved", ids)
		}
		// Another node's session begins here.
		s := &fakeSocket{}
		g := a.Attach(s, handshake, pass)
		synctest.Wait()
		s.want(t, "emit unauthorized unknown/the server took too long, try again later/authentication_timeout", "close")
		if g.Session() != nil || r.Count(socketio.Filter{}) != 0 {
			t.Error("there is a session beyond the limit")
		}
	})
}

// TestPresenceDoubts: of a session that others doubt the client is asked for a sign of life.
// If one comes, they are told that the session is there; otherwise it ends.
func TestPresenceDoubts(t *testing.T) {
	for name, socket := range map[string]socketio.Socket{"alive": &slowPhone{}, "silent": &silentPhone{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFakePresence()
				p.begin = func(socketio.PresentSession) (bool, error) { return true, nil }
				_, a := present(t, p, false)
				g := a.Attach(socket, handshake, nil)
				g.Authenticate(token("alice jti=1"))
				synctest.Wait()
				p.mu.Lock()
				var id string
				for id = range p.there {
				}
				clear(p.there)
				p.mu.Unlock()
				p.f.Doubted(id)
				p.f.Doubted("another")
				time.Sleep(time.Minute)
				alive := name == "alive"
				if ids := p.ids(); (ids == "1") != alive || (g.Session() != nil) != alive {
					t.Errorf("others know of %q, the session is %v", ids, g.Session())
				}
				g.Closed()
			})
		})
	}
}

// silentPhone is a client that never answers.
type silentPhone struct{ fakeSocket }

func (*silentPhone) Alive(context.Context) bool { return false }
