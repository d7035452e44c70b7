package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestPresenceLease: sessions of a node that has lost Redis are gone after its lease,
// and are there again when it is back; also when Redis has forgotten everything.
func TestPresenceLease(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	link := startLink(t, r.Address())
	a, b := startBrief(t, clientOf(link.Address()), false), startBrief(t, clientOf(r.Address()), false)
	a.mustLogin(t, "sub=alice&jti=1")
	b.mustLogin(t, "sub=bob&jti=2")
	for name, lapse := range map[string]struct{ begin, end func() }{
		"silence": {link.Silence, link.Mend}, "cut": {link.Cut, link.Mend},
	} {
		b.finds(t, socketio.Filter{}, "1 2")
		began := time.Now()
		lapse.begin()
		b.finds(t, socketio.Filter{}, "2")
		b.finds(t, socketio.Filter{Namespace: "/"}, "2")
		if d := time.Since(began); d < lease/2 {
			t.Errorf("%s: a session is gone after %v, before the lease of %v", name, d, lease)
		}
		g, _ := a.mustLogin(t, "sub=alice&jti=3") // comes and goes meanwhile
		g.Closed()
		lapse.end()
		b.finds(t, socketio.Filter{}, "1 2")
	}
	if err := b.presence.(*redisstore.Presence).Update(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	admin := clientOf(r.Address())
	defer admin.Close()
	if err := admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.finds(t, socketio.Filter{}, "1 2")
}

// TestPresenceForgotten: a session that Redis has lost while newer ones of the user began
// makes room for them when its process puts it again.
func TestPresenceForgotten(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	link := startLink(t, r.Address())
	limit := socketio.SessionLimit(2, socketio.EvictOldest)
	a, b := startBrief(t, clientOf(link.Address()), false, limit), startBrief(t, clientOf(r.Address()), false, limit)
	old, _ := a.mustLogin(t, "sub=alice&jti=1")
	a.mustLogin(t, "sub=bob&jti=2")
	b.finds(t, socketio.Filter{}, "1 2")
	link.Cut()
	admin := clientOf(r.Address())
	defer admin.Close()
	if err := admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.mustLogin(t, "sub=alice&jti=3")
	b.mustLogin(t, "sub=alice&jti=4")
	link.Mend()
	b.finds(t, socketio.Filter{}, "2 3 4")
	within(t, patience, func() error {
		if old.Session() != nil {
			return errors.New("the oldest session goes on beyond the limit")
		}
		return nil
	})
}

// TestPresenceRepairs: what a command that was given up leaves behind, and what is
// missing, is put right.
func TestPresenceRepairs(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startBrief(t, clientOf(r.Address()), false)
	s.mustLogin(t, "sub=alice&jti=1")
	s.finds(t, socketio.Filter{}, "1")
	stray := socketio.PresentSession{ID: "stray", Subject: "alice", TokenID: "stray", Namespace: "/", Began: time.Now()}
	if err := s.presence.Update(t.Context(), []socketio.PresentSession{stray}, nil); err != nil {
		t.Fatal(err)
	}
	s.finds(t, socketio.Filter{}, "1")
	found, err := s.presence.Find(t.Context(), socketio.Filter{})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := s.presence.Update(t.Context(), nil, []string{found[0].ID}); err != nil {
		t.Fatal(err)
	}
	s.finds(t, socketio.Filter{}, "1")
}

// TestPresenceAway: what happens without Redis is what was asked for, and never a
// handshake that hangs.
func TestPresenceAway(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	limit := socketio.SessionLimit(2, socketio.RejectNewest)
	closed, open := startBrief(t, clientOf(r.Address()), false, limit), startBrief(t, clientOf(r.Address()), true, limit)
	unlimited := startBrief(t, clientOf(r.Address()), false)
	g, _ := closed.mustLogin(t, "sub=alice&jti=1")
	for name, away := range map[string]func() error{"paused": r.Pause, "killed": func() error { r.Stop(); return nil }} {
		if err := away(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, _, err := closed.login("sub=alice"); !errors.Is(err, socketio.ErrPresenceUnavailable) {
			t.Errorf("%s: fail closed: %v", name, err)
		}
		var in []*socketio.Guard
		for i := range 2 {
			g, _, err := open.login(fmt.Sprint("sub=alice&jti=", i+10))
			if err != nil {
				t.Errorf("%s: fail open: %v", name, err)
				continue
			}
			in = append(in, g)
		}
		if _, _, err := open.login("sub=alice"); !errors.Is(err, socketio.ErrSessionLimit) {
			t.Errorf("%s: the limit in one process: %v", name, err)
		}
		u, _, err := unlimited.login("sub=alice&jti=20")
		if err != nil {
			t.Errorf("%s: without a limit: %v", name, err)
		}
		if d := time.Since(began); d > patience {
			t.Errorf("%s: the logins took %v", name, d)
		}
		if g.Session() == nil {
			t.Errorf("%s: a live session ended", name)
		}
		within(t, patience, func() error {
			if closed.Err() == nil {
				return errors.New("Err is nil")
			}
			return nil
		})
		if name == "paused" {
			err = r.Resume()
		} else {
			err = r.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		// Who came meanwhile is known afterwards.
		closed.finds(t, socketio.Filter{}, "1 10 11 20")
		within(t, patience, closed.Err)
		for _, g := range append(in, u) {
			g.Closed()
		}
		closed.finds(t, socketio.Filter{}, "1")
	}
}

// presenceNode is the main function of a process that has many sessions and is then
// killed.
func presenceNode(address string) error {
	s, err := newSite(clientOf(address), lease, false, socketio.ByHandshake(), socketio.SessionLimit(1, socketio.RejectNewest))
	if err != nil {
		return err
	}
	if err := s.Synced(context.Background()); err != nil {
		return err
	}
	for i := range killed {
		if _, _, err := s.login(fmt.Sprint("sub=user", i, "&jti=", i)); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

const killed = 2000 // sessions

// TestPresenceKilled: the sessions of a process that is killed are gone within its
// lease, and their users may log in elsewhere.
func TestPresenceKilled(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	b := startBrief(t, clientOf(r.Address()), false, socketio.SessionLimit(1, socketio.RejectNewest))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REDISSTORE_PRESENCE="+r.Address())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	if n, err := b.presence.Count(t.Context(), socketio.Filter{}); n != killed || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
	if _, _, err := b.login("sub=user7"); !errors.Is(err, socketio.ErrSessionLimit) {
		t.Errorf("a second session: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := b.presence.Count(t.Context(), socketio.Filter{}); err != nil { // behind what Redis had yet to read of the dead
		t.Fatal(err)
	}
	at := time.Now()
	within(t, patience, func() error {
		asked := time.Since(at)
		n, err := b.presence.Count(t.Context(), socketio.Filter{})
		if n != 0 && asked > lease {
			t.Fatalf("%d sessions of the dead are counted %v after the kill, with a lease of %v", n, asked, lease)
		}
		if n != 0 || err != nil {
			return fmt.Errorf("%d sessions, %v", n, err)
		}
		return nil
	})
	for i := range 100 {
		b.mustLogin(t, fmt.Sprint("sub=user", i))
	}
}
