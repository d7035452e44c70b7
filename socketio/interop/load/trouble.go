package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// notShared is the result of a revocation while Redis is down: it takes effect at its
// own node at once, and at the other nodes when Redis is back.
const notShared = "a revocation that is not shared yet"

// trouble is what goes wrong around the nodes of a soak.
type trouble struct {
	name       string
	begin, end func(s *soaking) error
	bound      time.Duration // after its end, until which it may be felt
	excuses    []string      // what sockets may meet meanwhile
}

// fetchBound is how long after a cut a server may log that a fetch of keys has failed.
const fetchBound = 5 * time.Second

var withoutRedis = []string{noRevocations, "presence_unavailable", noReason, noAnswer, notShared}

// troubles are what goes wrong, in turn.
var troubles = []trouble{
	{"Redis stopped", func(s *soaking) error { s.redis.Stop(); return nil }, func(s *soaking) error { return s.redis.Start() }, restartBound, withoutRedis},
	{"clients cut off", onClients((*outage.Link).Cut), onClients((*outage.Link).Mend), networkBound, []string{noNetwork}},
	{"Redis paused", func(s *soaking) error { return s.redis.Pause() }, func(s *soaking) error { return s.redis.Resume() }, silentBound, withoutRedis},
	{"issuer cut off", onIssuers((*outage.Link).Cut), onIssuers((*outage.Link).Mend), fetchBound, nil},
}

// onClients does something to the links of one node's clients: another's each time.
func onClients(do func(*outage.Link)) func(*soaking) error {
	return func(s *soaking) error { do(s.nodes[s.round%len(s.nodes)].clients); return nil }
}

func onIssuers(do func(*outage.Link)) func(*soaking) error {
	return func(s *soaking) error {
		for _, n := range s.nodes {
			do(n.issuer)
		}
		return nil
	}
}

// trouble that was or is, and when.
type period struct {
	trouble
	window
}

// suffer has one trouble after another come, until the soak is over.
func (s *soaking) suffer(every, lasting time.Duration, done <-chan struct{}) error {
	for ; ; s.round++ {
		for _, t := range troubles {
			if !wanted(s.only, t.name) {
				continue
			}
			select {
			case <-done:
				return nil
			case <-time.After(every):
			}
			if err := s.silence(); err != nil {
				return err
			}
			if err := s.live(t, lasting); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
}

// live lives through a trouble.
func (s *soaking) live(t trouble, lasting time.Duration) error {
	s.mu.Lock()
	now := &period{t, window{from: time.Now()}}
	s.periods = append(s.periods, now)
	s.mu.Unlock()
	if err := t.begin(s); err != nil {
		return err
	}
	time.Sleep(lasting)
	if err := t.end(s); err != nil {
		return err
	}
	s.mu.Lock()
	now.until = time.Now().Add(t.bound)
	s.mu.Unlock()
	time.Sleep(t.bound)
	for _, n := range s.nodes {
		text := n.p.log.take()
		if strings.Contains(text, "panic") {
			return fmt.Errorf("%s logged: %.2000s", n.kind, text)
		}
		s.logged += strings.Count(text, "\n")
	}
	return s.felt(t)
}

// A machine that other programs keep busy may take longer than the 2 s that a server waits
// for Redis. That is noticed when one of the nodes takes as long as slowAnswer to say how
// it is.
const slowAnswer = 500 * time.Millisecond

var busy = trouble{name: "the machine was busy", excuses: withoutRedis}

// watch notes when the machine is too busy, until the soak is over.
func (s *soaking) watch(done <-chan struct{}) error {
	for {
		select {
		case <-done:
			return nil
		case <-time.After(slowAnswer / 2):
		}
		began := time.Now()
		for _, n := range s.nodes {
			if _, err := n.p.ask("use"); err != nil {
				return err
			}
		}
		if took := time.Since(began); took > slowAnswer {
			s.mu.Lock()
			s.periods = append(s.periods, &period{busy, window{began.Add(-slowAnswer), time.Now().Add(took)}})
			s.mu.Unlock()
		}
	}
}

// felt fails if a trouble excuses refusals, and no socket was refused because of it.
func (s *soaking) felt(t trouble) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range t.excuses {
		if s.refusals[e+": "+t.name] > 0 {
			return nil
		}
	}
	if len(t.excuses) == 0 {
		return nil
	}
	return errors.New("no socket met it")
}

// silence fails if a server has logged something while nothing was wrong.
func (s *soaking) silence() error {
	for _, n := range s.nodes {
		if text := n.p.log.take(); text != "" {
			return fmt.Errorf("%s logged while nothing was wrong: %.2000s", n.kind, text)
		}
	}
	return nil
}

// judge counts the result of a visit, and looks for a fault that excuses a failure.
func (s *soaking) judge(v *visit, name string, began time.Time, err error) error {
	s.mu.Lock()
	s.lived[name]++
	for _, m := range v.met {
		s.refusals[m]++
	}
	s.longest = max(s.longest, time.Since(began))
	s.mu.Unlock()
	if err == nil {
		return nil
	}
	return s.excuseSince(began, told(err), err)
}

// excuse is nil if the failure of a visit is expected now.
func (s *soaking) excuse(_ *visit, what, detail string) error {
	return s.excuseSince(time.Now(), what, errors.New(detail))
}

func (s *soaking) excuseSince(began time.Time, what string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range slices.Backward(s.periods) {
		if (p.until.IsZero() || began.Before(p.until)) && slices.Contains(p.excuses, what) {
			s.refusals[what+": "+p.name]++
			return nil
		}
	}
	return fmt.Errorf("%s, unexplained: %w", what, err)
}
