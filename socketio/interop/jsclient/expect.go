package jsclient

import (
	"strings"
	"testing"
	"time"
)

// Log tells everything that the client saw and did, a line each.
func (c *Client) Log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return "the client's log:\n" + strings.Join(c.log, "\n")
}

// Seen returns every event so far, in order, returned by an Expect or not.
func (c *Client) Seen() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Event(nil), c.events...)
}

// Saw reports whether an event of that name has come so far.
func (c *Client) Saw(name string) bool {
	for _, e := range c.Seen() {
		if e.Name == name {
			return true
		}
	}
	return false
}

// Expect waits for an event of that name which no Expect has returned yet.
// Other events may come before it; they stay for other Expects.
func (c *Client) Expect(t testing.TB, name string) Event {
	t.Helper()
	return c.wait(t, "event "+name, func(e Event) bool { return e.Name == name })
}

// ExpectAny waits for the first event with one of the names.
func (c *Client) ExpectAny(t testing.TB, names ...string) Event {
	t.Helper()
	return c.wait(t, "any of "+strings.Join(names, ", "), func(e Event) bool {
		for _, name := range names {
			if e.Name == name {
				return true
			}
		}
		return false
	})
}

// ExpectNext waits for the next event that no Expect has returned and fails if
// it has another name. Events of the connection below ("engine:...") are passed
// over, as an application does not see them.
func (c *Client) ExpectNext(t testing.TB, name string) Event {
	t.Helper()
	e := c.wait(t, "event "+name, func(e Event) bool { return !strings.HasPrefix(e.Name, "engine:") })
	if e.Name != name {
		t.Fatalf("the next event is %s, want %s\n%s", e, name, c.Log())
	}
	return e
}

// ExpectUpgrade waits until a client with default transports has left polling
// for websocket.
func (c *Client) ExpectUpgrade(t testing.TB) {
	t.Helper()
	e := c.ExpectAny(t, "engine:upgrade", "engine:upgradeError", "engine:close")
	if e.Name != "engine:upgrade" {
		t.Fatalf("%s instead of an upgrade\n%s", e, c.Log())
	}
}

// ExpectNone fails if an event of one of the names has come by the time that the
// server answers a [Client.Barrier]. What the server sends later, or from a
// goroutine that has yet to run, is not covered: wait for its cause first.
func (c *Client) ExpectNone(t testing.TB, names ...string) {
	t.Helper()
	c.Barrier(t)
	for _, name := range names {
		if c.Saw(name) {
			t.Fatalf("unexpected event %s\n%s", name, c.Log())
		}
	}
}

// ExpectSilence fails if there is an event by the time that the server answers a
// [Client.Barrier], or that the connection is closed, which no Expect has
// returned. Events of the connection below are passed over.
func (c *Client) ExpectSilence(t testing.TB) {
	t.Helper()
	if c.State(t).Engine == "open" {
		c.Barrier(t)
	}
	c.mu.Lock()
	var more []string
	for i, e := range c.events {
		if !c.taken[i] && !strings.HasPrefix(e.Name, "engine:") {
			more = append(more, e.String())
		}
	}
	c.mu.Unlock()
	if len(more) > 0 {
		t.Fatalf("unexpected: %s\n%s", strings.Join(more, "; "), c.Log())
	}
}

func (c *Client) wait(t testing.TB, what string, match func(Event) bool) Event {
	t.Helper()
	timer := time.NewTimer(Deadline)
	defer timer.Stop()
	for {
		c.mu.Lock()
		for i, e := range c.events {
			if !c.taken[i] && match(e) {
				c.taken[i] = true
				c.mu.Unlock()
				return e
			}
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.d.gone:
			t.Fatalf("waiting for %s: %s\n%s", what, c.d.obituary(), c.Log())
		case <-timer.C:
			t.Fatalf("no %s in %s\n%s\nthe Node process: %s", what, Deadline, c.Log(), c.d.stderr)
		}
	}
}
