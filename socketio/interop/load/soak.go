package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The lives that a socket may lead in a soak, after it has come, authenticated
// and chatted. One life is of a client that is refused.
var lives = []struct {
	name string
	lead func(s *connection, w *world, subject string) error
}{
	{"disconnected", func(*connection, *world, string) error { return nil }},
	{"renewed", func(s *connection, w *world, subject string) error {
		if err := s.write(`42["authenticate",` + object(w.m.token(subject, time.Hour)) + `]`); err != nil {
			return err
		}
		if err := s.until(`42["authenticated"`); err != nil {
			return err
		}
		return s.chat("after the renewal")
	}},
	{"expired", func(s *connection, _ *world, _ string) error { return s.ended() }},
	{"revoked", func(s *connection, w *world, subject string) error {
		r, err := w.p.ask("revoke " + subject + " 1m")
		if err == nil && r.Revoked != 1 {
			err = fmt.Errorf("%d sessions of a user with one were revoked", r.Revoked)
		}
		if err != nil {
			return err
		}
		return s.ended()
	}},
	{"refused", nil},
}

// shortLife is that of tokens which are to expire: exp is in whole seconds.
const shortLife = 4 * time.Second

// world is one server of a soak.
type world struct {
	m *minter
	p *process
	c client
}

// chat says something and waits to hear it.
func (s *connection) chat(text string) error {
	if err := s.write(`42["chat","` + text + `"]`); err != nil {
		return err
	}
	return s.until(`42["chat","` + text + `"`)
}

// until reads up to a packet that begins so.
func (s *connection) until(prefix string) error {
	for {
		p, err := s.read()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", prefix, err)
		}
		if strings.HasPrefix(p, prefix) {
			return nil
		}
		if isEnd(p) {
			return fmt.Errorf("waiting for %s: the socket was disconnected", prefix)
		}
	}
}

// isEnd reports whether a packet disconnects the socket, though not perhaps the
// connection.
func isEnd(packet string) bool { return packet == "41" || strings.HasPrefix(packet, "44") }

// ended waits until the server has ended the session.
func (s *connection) ended() error {
	for {
		p, err := s.read()
		switch {
		case isTimeout(err):
			return errors.New("the session did not end")
		case err != nil, isEnd(p):
			return nil
		}
	}
}

// live is one socket's life.
func (w *world) live(i int) (string, error) {
	life := lives[i%len(lives)]
	subject := fmt.Sprint("user-", i)
	c := w.c
	c.upgrade = i/len(lives)%2 == 1
	if life.lead == nil {
		_, err := c.open(w.m.expired(), true)
		if !errors.Is(err, errRefused) {
			return life.name, fmt.Errorf("an expired token: got %v, expected a refusal", err)
		}
		return life.name, nil
	}
	lasting := time.Hour
	if life.name == "expired" {
		lasting = shortLife
	}
	began := time.Now()
	s, err := c.open(w.m.token(subject, lasting), false)
	if err != nil {
		return life.name, fmt.Errorf("opening: %w", err)
	}
	defer s.leave()
	if err := s.chat("hello from " + subject); err != nil {
		return life.name, err
	}
	if err := life.lead(s, w, subject); err != nil {
		return life.name, err
	}
	if took := time.Since(began); life.name == "expired" && took < shortLife-1100*time.Millisecond {
		return life.name, fmt.Errorf("a session ended after %v, its token lasted longer", took)
	}
	return life.name, nil
}

// soak leads lives at a steady rate through both bindings, and tells what is left.
// It fails if anything is, if a life goes wrong, or a server logs a warning.
func soak(args []string, out io.Writer) error {
	f := flags("soak")
	during := f.Duration("for", time.Minute, "how long sockets come")
	rate := f.Int("rate", 200, "sockets a second, through both bindings together")
	if err := f.Parse(args); err != nil {
		return err
	}
	m, err := newMinter("HS256")
	if err != nil {
		return err
	}
	var worlds []*world
	var before []report
	rest := func(w *world) (report, error) {
		polls.CloseIdleConnections()
		return w.p.rested(15*time.Second, 500*time.Millisecond)
	}
	for _, kind := range []string{"gosio", "zishang"} {
		p, err := start(m.verify, kind, "event")
		if err != nil {
			return err
		}
		defer p.stop()
		w := &world{m, p, client{url: p.url, eio: 3, in: "event"}}
		warm := 20 * len(lives) // what is made once is made now
		if err := lanes(warm, warm, func(i int) error { _, err := w.live(1e9 + i); return err }); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		r, err := rest(w)
		if err != nil {
			return err
		}
		worlds, before = append(worlds, w), append(before, r)
	}
	begin := time.Now()
	counts := make(map[string]int)
	longest := make(map[string]time.Duration)
	var mu sync.Mutex // guards counts, longest and failed
	var failed error
	var wg sync.WaitGroup
	var abroad, late atomic.Int64
	pace := time.NewTicker(time.Second / time.Duration(*rate))
	defer pace.Stop()
	i := 0
	for ; time.Since(begin) < *during; i++ {
		<-pace.C
		if abroad.Load() > 5000 {
			late.Add(1) // the machine does not keep up, and the figures say so
			continue
		}
		abroad.Add(1)
		turn := i // two of one turn would be one user, revoked by the other
		wg.Go(func() {
			defer abroad.Add(-1)
			began := time.Now()
			name, err := worlds[turn%2].live(turn / 2)
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			longest[name] = max(longest[name], took.Round(10*time.Millisecond))
			counts[name]++
			if err != nil && failed == nil {
				failed = fmt.Errorf("after %v, a socket that was to be %s: %w", time.Since(begin).Round(time.Second), name, err)
			}
		})
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
	}
	came := time.Since(begin)
	wg.Wait()
	if failed != nil {
		return fmt.Errorf("%w\n%s%s", failed, worlds[0].p.log, worlds[1].p.log)
	}
	fmt.Fprintf(out, "%d sockets in %v, %.0f a second, %d left out: %v, the longest %v\n", i, came.Round(time.Second), float64(i)/came.Seconds(), late.Load(), counts, longest)
	var left []error
	for i, w := range worlds {
		after, err := rest(w)
		if err != nil {
			return err
		}
		name := []string{"gosio", "zishang"}[i]
		b := before[i]
		fmt.Fprintf(out, "%s: goroutines %d, then %d; in use %d KiB, then %d; sessions %d; CPU %.1f s\n", name, b.Goroutines, after.Goroutines,
			b.inUse()>>10, after.inUse()>>10, after.Sessions, time.Duration(after.CPU-b.CPU).Seconds())
		if text := w.p.log.String(); text != "" {
			left = append(left, fmt.Errorf("%s logged: %.2000s", name, text))
		}
		if err := after.leftBehind(b); err != nil {
			left = append(left, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(left...)
}
