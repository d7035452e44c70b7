package clientjs_test

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// The run that the documents speak of is
//
//	go test ./socketio/clientjs -run Chaos -chaos 2m
var chaosTime = flag.Duration("chaos", 3*time.Second, "how long the tests with disturbances take, each")

// settle is how long a client may take to be connected again when nothing is in its
// way: the longest back-off of quick, and what a busy machine needs.
const settle = 6 * time.Second

// chaos disturbs everything around a user's connections for a while: the network is
// cut, the server restarts, the token endpoint fails, in turn and together. It fails
// where the user is not connected although nothing has been in the way for a while.
func chaos(t *testing.T, i *issuer, n *node, user string, connections int) {
	t.Helper()
	var mu sync.Mutex
	healthy := time.Now() // since when; zero while something is broken
	var watching sync.WaitGroup
	stop := make(chan struct{})
	watching.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			mu.Lock()
			since := healthy
			mu.Unlock()
			if got := n.connected(user); !since.IsZero() && time.Since(since) > settle && got != connections {
				t.Errorf("%d of %d connections, %v after the last disturbance", got, connections, time.Since(since))
				return
			}
		}
	})
	pause := func(most time.Duration) { time.Sleep(50*time.Millisecond + rand.N(most)) }
	broken := func(d func()) {
		mu.Lock()
		healthy = time.Time{}
		mu.Unlock()
		d()
		mu.Lock()
		healthy = time.Now()
		mu.Unlock()
	}
	disturbances := []func(){
		func() { n.link.Cut(); pause(time.Second); n.link.Mend() },
		func() { n.down(); pause(time.Second); n.up(t) },
		func() { n.link.Cut(); n.link.Mend() },
		func() {
			i.set(func(i *issuer) { i.down = true })
			n.link.Cut()
			pause(500 * time.Millisecond)
			n.link.Mend()
			pause(time.Second)
			i.set(func(i *issuer) { i.down = false })
		},
		func() { // longer than a token lives
			i.set(func(i *issuer) { i.down = true })
			time.Sleep(i.lifetime)
			i.set(func(i *issuer) { i.down = false })
		},
	}
	eventually(t, "all are connected", func() bool { return n.connected(user) == connections })
	began := time.Now()
	for step := 0; time.Since(began) < *chaosTime; step++ {
		broken(disturbances[step%len(disturbances)])
		if step%len(disturbances) == len(disturbances)-1 {
			pause(i.lifetime + 2*time.Second) // renewals only
		} else {
			pause(2 * time.Second)
		}
	}
	eventually(t, "all are connected again", func() bool { return n.connected(user) == connections })
	close(stop)
	watching.Wait()
}

// TestChaos: the clients in Node are connected whenever they can be, never with a
// stale token, and stop when their user is revoked.
func TestChaos(t *testing.T) {
	eachMode(t, func(t *testing.T, p pairing, by string, mode socketio.Option) {
		i := newIssuer(t, 5*time.Second)
		n := newNode(t, p.binding, i, nil, mode)
		options := with(with(quick, "by", by), "io", map[string]any{"transports": []string{"websocket"}}) // see TestComesBack
		c := startDriver(t).open(t, p.version, n.url(), i.tokens("ada"), options)
		chaos(t, i, n, "ada", 1)
		i.check(t, false)
		checkBackoff(t, i, "ada", c)
		n.revoke(t, "ada")
		if why := c.expect(t, "stopped").Detail; why.Reason != "token_revoked" {
			t.Errorf("stopped with %+v", why)
		}
		t.Logf("%d connections, %d pauses, %d renewals", len(c.reports("authenticated")), len(c.reports("retry")), i.renewals())
	})
}
