package interop

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// storms is how many clients each storm has. docs/benchmarks.md has the results
// of the thousands; a few dozen are enough to see that nothing broke.
var storms = flag.Int("storms", 40, "clients of each storm")

const concurrency = 50

// stormServer is a server for storms: what it acknowledges and emits is what
// [jsclient.Storm] asks for.
func stormServer(t testing.TB, options ...socketio.Option) (*googollee.Server, string) {
	t.Helper()
	s, err := googollee.NewServer(&googollee.Options{RefusalDelay: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Authorize("/", policy{}.authenticator(t), append([]socketio.Option{patience}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	n.OnEvent("echo", func(_ *googollee.Conn, i int) int { return i })
	n.OnEvent("up", func(_ *googollee.Conn, i int) int { return i })
	n.OnEvent("start", func(c *googollee.Conn, downs int) {
		for i := range downs {
			c.Emit("down", i)
		}
	})
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return s, web.URL
}

// stormVersions are the clients of the storms: all of them in large ones.
func stormVersions() []jsclient.Version {
	if *storms >= 1000 {
		return bindings[0].versions
	}
	return []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V4}
}

// eachClient runs f for every version and choice of transports of the binding.
func eachClient(t *testing.T, f func(t *testing.T, d *jsclient.Driver, o jsclient.Options)) {
	d := jsclient.Start(t)
	for _, version := range stormVersions() {
		for _, choice := range transportChoices {
			t.Run(fmt.Sprintf("%s/%s", version, choice.name), func(t *testing.T) {
				f(t, d, jsclient.Options{Version: version, Transports: choice.transports})
			})
		}
	}
}

// wantAll checks that every client of a storm got what it was to get, and that
// those free to choose ended on a websocket.
func wantAll(t *testing.T, r jsclient.StormResult, n int, o jsclient.Options) {
	t.Helper()
	t.Log(r)
	if r.OK != n || r.Failed() != 0 {
		t.Errorf("%d of %d succeeded: %+v", r.OK, n, r.Samples)
	}
	if o.Transports == nil && r.Transports["websocket"] != n {
		t.Errorf("%d of %d ended on a websocket", r.Transports["websocket"], n)
	}
}

// TestStormConnects: every client gets in, though it emits at once, which most
// default clients of the stock library do not survive.
func TestStormConnects(t *testing.T) {
	eachClient(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		t.Run("event", func(t *testing.T) {
			_, o.URL = stormServer(t)
			r := d.Storm(t, jsclient.Storm{
				Options: o, N: *storms, Concurrency: concurrency,
				Tokens: []string{alice, bob}, Authenticate: true, RoundTrip: "echo",
			})
			wantAll(t, r, *storms, o)
		})
		t.Run("handshake", func(t *testing.T) {
			_, o.URL = stormServer(t, socketio.ByHandshake())
			r := d.Storm(t, jsclient.Storm{
				Options: o, N: *storms, Concurrency: concurrency,
				Tokens: []string{alice, bob}, TokenIn: "query", RoundTrip: "echo",
			})
			wantAll(t, r, *storms, o)
		})
	})
}

// TestStormStock is the stock library under the same storm, for comparison. It
// asserts nothing: see its log.
func TestStormStock(t *testing.T) {
	if *storms < 1000 {
		t.Skip("for comparison only: run with -storms 2000")
	}
	eachClient(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		if o.Version.Modern() {
			t.Skip("the library does not speak its protocol")
		}
		server := gosio.NewServer(nil)
		server.OnConnect("/", func(gosio.Conn) error { return nil })
		server.OnEvent("/", "authenticate", func(c gosio.Conn, _ map[string]any) { c.Emit("authenticated") })
		server.OnEvent("/", "echo", func(_ gosio.Conn, i int) int { return i })
		go func() { _ = server.Serve() }()
		web := httptest.NewServer(server)
		defer web.Close()
		defer server.Close()
		o.URL = web.URL
		t.Log(d.Storm(t, jsclient.Storm{
			Options: o, N: *storms, Concurrency: concurrency,
			Tokens: []string{alice}, Authenticate: true, RoundTrip: "echo",
		}))
	})
}

// TestStormUpgrades: nothing is lost or comes out of order while a client
// changes from polling to a websocket.
func TestStormUpgrades(t *testing.T) {
	d := jsclient.Start(t)
	for _, version := range stormVersions() {
		t.Run(string(version), func(t *testing.T) {
			_, url := stormServer(t, socketio.ByHandshake())
			o := jsclient.Options{Version: version, URL: url}
			r := d.Storm(t, jsclient.Storm{
				Options: o, N: *storms, Concurrency: concurrency, Tokens: []string{alice}, TokenIn: "query",
				Traffic: &jsclient.Traffic{Start: "start", Down: "down", Up: "up", Downs: 100, Ups: 20},
			})
			wantAll(t, r, *storms, o)
			t.Logf("%d upgrades fell into the traffic", r.Overlapped)
		})
	}
}

// TestStormRefusals: a client that is refused in the handshake is told why, never
// connects, stays away, and leaves nothing behind.
func TestStormRefusals(t *testing.T) {
	expired := mint(claims{"sub": "alice", "exp": 1})
	eachClient(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		s, url := stormServer(t, socketio.ByHandshake())
		o.URL = url
		storm := func(n int) jsclient.StormResult {
			return d.Storm(t, jsclient.Storm{
				Options: o, N: n, Concurrency: concurrency, Tokens: []string{expired}, TokenIn: "query", Refused: true,
			})
		}
		storm(concurrency) // what is made once is made now
		before := memory()
		r := storm(*storms)
		t.Log(r)
		if r.OK != *storms {
			t.Errorf("%d of %d were refused as they should: %+v", r.OK, *storms, r.Samples)
		}
		const payload = `{"message":"jwt expired","code":"invalid_token","type":"UnauthorizedError","reason":"token_expired","retryable":false}`
		if r.Payloads[payload] != *storms {
			t.Errorf("the refusals were %v", r.Payloads)
		}
		for start := time.Now(); s.Count() > 0 && time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		}
		if n := s.Count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		after := memory()
		if grown := int64(after) - int64(before); grown > 2<<20 {
			t.Errorf("the heap grew by %d KiB", grown>>10)
		}
	})
}

// memory is the size of the live heap.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
