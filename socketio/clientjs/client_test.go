package clientjs_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // tests that wait more than they compute
	status := m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	closings.Wait()
	if status == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			status = 1
		}
	}
	os.Exit(status)
}

// quick are the options of a client that waits little.
var quick = map[string]any{"minDelay": 50, "maxDelay": 400, "timeout": 5000}

func with(options map[string]any, name string, value any) map[string]any {
	all := map[string]any{name: value}
	for n, v := range options {
		if n != name {
			all[n] = v
		}
	}
	return all
}

// eachMode runs a test with every client and both ways of authenticating.
func eachMode(t *testing.T, f func(t *testing.T, p pairing, by string, mode socketio.Option)) {
	for _, p := range pairings {
		for by, mode := range map[string]socketio.Option{"event": socketio.ByEvent(), "handshake": socketio.ByHandshake()} {
			t.Run(p.name+", by "+by, func(t *testing.T) {
				t.Parallel()
				f(t, p, by, mode)
			})
		}
	}
}

// TestRenews: tokens are renewed before they expire, and the connection stays.
func TestRenews(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, 2*time.Second)
		n := newNode(t, p.binding, i, nil, mode)
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		c.expect(t, "authenticated")
		eventually(t, "three renewals", func() bool { return i.renewals() >= 3 })
		if c.count("retry") > 0 || c.count("authenticated") != 1 {
			t.Errorf("the connection did not stay:\n%s", c.log())
		}
		i.check(t, false)
	})
}

// TestRenewsByExp: the client knows from the token when to renew, and needs no notice.
func TestRenewsByExp(t *testing.T) {
	p := pairings[len(pairings)-1]
	i := newIssuer(t, 2*time.Second)
	n := newNode(t, p.binding, i, nil, socketio.ByHandshake(), socketio.ExpiryNotice("", 0))
	c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), quick)
	c.expect(t, "authenticated")
	eventually(t, "three renewals", func() bool { return i.renewals() >= 3 })
	if c.count("retry") > 0 {
		t.Errorf("the connection did not stay:\n%s", c.log())
	}
}

// TestRenewsByNotice: of an opaque token the client knows nothing. It renews when the
// server says so.
func TestRenewsByNotice(t *testing.T) {
	p := pairings[len(pairings)-1]
	i := newIssuer(t, 2*time.Second)
	i.opaque = make(map[string]string)
	n := newNode(t, p.binding, i, nil, socketio.ByHandshake())
	c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), quick)
	c.expect(t, "authenticated")
	eventually(t, "three renewals", func() bool { return i.renewals() >= 3 })
	if c.count("retry") > 0 {
		t.Errorf("the connection did not stay:\n%s", c.log())
	}
}

// TestComesBack: after a cut of the network, a restart of the server and an outage
// of the token endpoint the client is there again, with a fresh token, in its rooms,
// and never tries more often than its back-off says.
func TestComesBack(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Minute)
		n := newNode(t, p.binding, i, nil, mode)
		// Clients that are cut off in the middle of an upgrade to websocket notice it
		// by their ping only, which takes them a minute.
		options := with(with(quick, "by", by), "io", map[string]any{"transports": []string{"websocket"}})
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), options)
		c.expect(t, "authenticated")
		c.do(t, "join", map[string]any{"args": []any{"lobby"}})
		joins := func(want int) {
			t.Helper()
			eventually(t, "the room is joined", func() bool {
				n.mu.Lock()
				defer n.mu.Unlock()
				return len(n.joins) == want && !slices.ContainsFunc(n.joins, func(room string) bool { return room != "lobby" })
			})
		}
		joins(1)

		n.link.Cut()
		c.expect(t, "retry")
		c.expect(t, "retry")
		n.link.Mend()
		c.expect(t, "authenticated")
		joins(2)

		n.down()
		c.expect(t, "retry")
		n.up(t)
		c.expect(t, "authenticated")
		joins(3)

		i.set(func(i *issuer) { i.down = true })
		n.link.Cut()
		c.expect(t, "retry")
		n.link.Mend()
		c.expect(t, "retry")
		c.expect(t, "retry")
		i.set(func(i *issuer) { i.down = false })
		c.expect(t, "authenticated")
		joins(4)

		i.check(t, false)
		checkBackoff(t, i, "ada", c)
	})
}

// checkBackoff fails where an attempt began before its back-off was over, or where
// there were more attempts than pauses.
func checkBackoff(t testing.TB, i *issuer, user string, c *client) {
	t.Helper()
	attempts, pauses := i.attempts(user), c.reports("retry")
	if len(attempts) > 1+len(pauses) {
		t.Errorf("%d attempts after %d pauses\n%s", len(attempts), len(pauses), c.log())
	}
	for _, p := range pauses {
		delay := time.Duration(p.Detail.Delay * float64(time.Millisecond))
		for _, a := range attempts {
			// At p.at the one before failed. Node counts a timer from the beginning of the turn
			// of its loop that sets it, which on a busy machine is some milliseconds before p.at.
			if a.After(p.at.Add(slack)) && a.Before(p.at.Add(delay/2)) {
				t.Errorf("an attempt %v after the failure: the back-off was %v", a.Sub(p.at), delay)
			}
		}
	}
}

// slack is the precision of the clients' timers and clocks.
const slack = 5 * time.Millisecond

// TestRevoked: the helper stops once for a revoked user, and does not try again.
func TestRevoked(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Minute)
		n := newNode(t, p.binding, i, nil, mode)
		d := startDriver(t)
		c := d.open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		c.expect(t, "authenticated")
		n.revoke(t, "ada")
		if why := c.expect(t, "stopped").Detail; why.Reason != "token_revoked" {
			t.Errorf("stopped with %+v", why)
		}
		eventually(t, "the session is gone", func() bool { return n.connected("ada") == 0 })
		attempts := len(i.attempts("ada"))

		// A connection of the same user that is new meets the revocation at once.
		late := d.open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		if why := late.expect(t, "stopped").Detail; why.Reason != "token_revoked" {
			t.Errorf("a new connection stopped with %+v", why)
		}
		// By now the first would have tried again: its back-off is 50 ms.
		if got := len(i.attempts("ada")) - attempts; got != 1 {
			t.Errorf("%d attempts after the revocation, of which one is the new connection's\n%s", got, c.log())
		}
		if c.count("stopped") != 1 || c.count("retry") != 0 {
			t.Errorf("not stopped once:\n%s", c.log())
		}
	})
}

// TestLogin: without a login at the token endpoint the client stops, and starts
// again after one.
func TestLogin(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Minute)
		i.loggedOut["ada"] = true
		n := newNode(t, p.binding, i, nil, mode)
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		if why := c.expect(t, "stopped").Detail; why.Reason != "login_required" {
			t.Errorf("stopped with %+v", why)
		}
		i.set(func(i *issuer) { i.loggedOut["ada"] = false })
		c.do(t, "start", nil)
		c.expect(t, "authenticated")
		if got := len(i.attempts("ada")); got != 2 {
			t.Errorf("%d attempts, want 2", got)
		}
	})
}

// TestStaleToken: a token endpoint that repeats an expired token is asked again
// after a back-off, and the token is presented once.
func TestStaleToken(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Minute)
		i.lifetime = -time.Second
		expired := i.mint(&call{user: "ada"}, 0)
		i.calls = append(i.calls, &call{user: "ada", at: time.Now()}) // the call of that token
		i.lifetime = time.Minute
		i.frozen["ada"] = expired
		n := newNode(t, p.binding, i, nil, mode)
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		for range 3 {
			c.expect(t, "retry")
		}
		i.mu.Lock()
		if got := i.calls[0].timesPresented; got != 1 {
			t.Errorf("the expired token was presented %d times", got)
		}
		delete(i.frozen, "ada")
		i.mu.Unlock()
		c.expect(t, "authenticated")
	})
}

// TestExpired: a session whose renewals fail ends, and the client comes back with
// a new token as soon as there is one.
func TestExpired(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Second)
		n := newNode(t, p.binding, i, nil, mode)
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		c.expect(t, "authenticated")
		i.set(func(i *issuer) { i.down, i.lifetime = true, time.Minute })
		if why := c.expect(t, "retry").Detail; why.Reason != "token_expired" {
			t.Errorf("the session ended with %+v", why)
		}
		i.set(func(i *issuer) { i.down = false })
		c.expect(t, "authenticated")
		i.check(t, false)
		checkBackoff(t, i, "ada", c)
	})
}

// TestEventRefused: an event that is not allowed says nothing of the session. A cut of
// the network after it is a cut, and no reason to stop.
func TestEventRefused(t *testing.T) {
	for _, p := range pairings {
		if strings.HasPrefix(p.name, "zishang") {
			continue // its events are not ruled yet
		}
		t.Run(p.name, func(t *testing.T) {
			i := newIssuer(t, time.Minute)
			n := newNode(t, p.binding, i, nil, socketio.ByHandshake(), socketio.Allow("join", socketio.Scope("rooms")))
			options := with(with(quick, "by", "handshake"), "io", map[string]any{"transports": []string{"websocket"}})
			c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), options)
			c.expect(t, "authenticated")
			c.do(t, "emit", map[string]any{"args": []any{"join", "lobby"}})
			c.expect(t, "unauthorized")
			c.do(t, "state", nil)
			if state := c.expect(t, "state").Detail.State; state != "authenticated" {
				t.Errorf("the state is %q", state)
			}
			n.link.Cut()
			c.expect(t, "retry")
			n.link.Mend()
			c.expect(t, "authenticated")
			if c.count("stopped") > 0 || len(n.joins) > 0 {
				t.Errorf("the client reported\n%s", c.log())
			}
		})
	}
}

// TestOneCallAtATime: many connections with one getToken take turns.
func TestOneCallAtATime(t *testing.T) {
	i := newIssuer(t, time.Minute)
	i.slow = make(chan struct{})
	p := pairings[len(pairings)-1]
	n := newNode(t, p.binding, i, nil, socketio.ByHandshake())
	d := startDriver(t)
	var clients []*client
	for range 5 {
		clients = append(clients, d.open(t, p.version, n.url(), i.tokens("ada"), quick))
	}
	eventually(t, "a call is under way", func() bool { i.mu.Lock(); defer i.mu.Unlock(); return i.active["ada"] > 0 })
	close(i.slow)
	for _, c := range clients {
		c.expect(t, "authenticated")
	}
	i.check(t, false) // each has its own token, too: a ticket would be good once
}

// TestApplicationDisconnects: an application that disconnects its socket means it.
func TestApplicationDisconnects(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, time.Minute)
		n := newNode(t, p.binding, i, nil, mode)
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), with(quick, "by", by))
		c.expect(t, "authenticated")
		c.do(t, "disconnect", nil)
		c.do(t, "state", nil)
		if state := c.expect(t, "state").Detail.State; state != "stopped" {
			t.Errorf("the state is %q", state)
		}
		eventually(t, "the session is gone", func() bool { return n.connected("ada") == 0 })
		if c.count("retry") != 0 || c.count("stopped") != 0 {
			t.Errorf("the client reported\n%s", c.log())
		}
		c.do(t, "start", nil)
		c.expect(t, "authenticated")
	})
}
