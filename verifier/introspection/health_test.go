package introspection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// stage is an endpoint that answers with one status for all, or fails for those
// whose name begins with "bad".
type stage struct {
	c      *Client
	at     *clock
	status int
	asked  int
}

func newStage(t *testing.T) *stage {
	s := &stage{at: newClock(), status: 200}
	s.c = answering(t, func(_ context.Context, token string) (int, string) {
		if s.asked++; strings.HasPrefix(token, "bad") {
			return 500, ""
		}
		return s.status, `{"active":true}`
	}, WithClock(s.at.now))
	return s
}

// ask asks for n tokens of that name, and returns how many reached the endpoint.
func (s *stage) ask(t *testing.T, name string, n int) int {
	t.Helper()
	before := s.asked
	for i := range n {
		_, _ = s.c.Introspect(t.Context(), fmt.Sprint(name, i))
	}
	return s.asked - before
}

// TestHealth: when the endpoint is taken to be down, and what shows that it is not.
func TestHealth(t *testing.T) {
	const many = 200
	down := func(t *testing.T) *stage {
		t.Helper()
		s := newStage(t)
		if n := s.ask(t, "bad", many); n != sharedFailures+maxTries {
			t.Fatalf("%d of %d tokens reached an endpoint that is down", n, many)
		}
		return s
	}
	t.Run("a second later as many are tried again", func(t *testing.T) {
		s := down(t)
		s.at.advance(time.Second)
		if n := s.ask(t, "bad again", many); n != maxTries {
			t.Errorf("%d tokens were tried", n)
		}
	})
	t.Run("one answer is enough", func(t *testing.T) {
		s := down(t)
		s.at.advance(time.Second)
		s.ask(t, "good", 1)
		if n := s.ask(t, "bad again", many); n != many {
			t.Errorf("%d tokens reached it", n)
		}
		// and for a while only: then it takes several failures again
		s.at.advance(trust)
		if n := s.ask(t, "bad once more", many); n != maxTries {
			t.Errorf("%d tokens reached it", n)
		}
	})
	t.Run("an answer forgets the failures before it", func(t *testing.T) {
		s := down(t)
		s.at.advance(time.Second)
		s.ask(t, "good", 1)
		s.at.advance(trust)
		if n := s.ask(t, "bad after", many); n != sharedFailures+maxTries {
			t.Errorf("%d tokens reached it", n)
		}
	})
	t.Run("that it cannot read a token is an answer", func(t *testing.T) {
		s := down(t)
		s.at.advance(time.Second)
		s.status = 400
		s.ask(t, "odd", 1)
		if n := s.ask(t, "bad again", many); n != many {
			t.Errorf("%d tokens reached it", n)
		}
	})
	t.Run("one token many times is one", func(t *testing.T) {
		s := newStage(t)
		for range 20 {
			s.ask(t, "bad", 1)
			s.at.advance(maxPause)
		}
		if n := s.ask(t, "bad other", many); n != sharedFailures-1+maxTries {
			t.Errorf("%d tokens reached it", n)
		}
	})
	t.Run("an answer of the future shows nothing", func(t *testing.T) {
		s := newStage(t)
		s.ask(t, "good", 1)
		s.at.advance(-time.Hour)
		if n := s.ask(t, "bad", many); n != sharedFailures+maxTries {
			t.Errorf("%d tokens reached it", n)
		}
	})
	t.Run("a sweep is answered meanwhile", func(t *testing.T) {
		s := down(t)
		if _, err := s.c.Introspect(t.Context(), "session"); !errors.Is(err, errPaused) {
			t.Fatalf("a new client: %v", err)
		}
		if active, err := s.c.StillActive(t.Context(), "session"); !active || err != nil {
			t.Errorf("got %v, %v", active, err)
		}
	})
}

// TestPauseOfAToken: it grows with each failure, and starts anew after an answer.
func TestPauseOfAToken(t *testing.T) {
	s, fails := newStage(t), true
	s.c = answering(t, func(context.Context, string) (int, string) {
		if s.asked++; fails {
			return 500, ""
		}
		return 200, `{"active":true}`
	}, WithClock(s.at.now), TTL(0))
	for range 8 {
		s.at.advance(maxPause)
		if n := s.ask(t, "x", 1); n != 1 {
			t.Fatal("it was not asked for")
		}
	}
	s.at.advance(minPause)
	if n := s.ask(t, "x", 1); n != 0 {
		t.Error("its pause has not grown")
	}
	fails = false
	s.at.advance(maxPause)
	s.ask(t, "x", 1)
	fails = true
	s.ask(t, "x", 1)
	s.at.advance(minPause)
	if n := s.ask(t, "x", 1); n != 1 {
		t.Error("its pause does not start anew")
	}
}
