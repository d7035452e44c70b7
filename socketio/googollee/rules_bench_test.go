//go:build unix

package googollee_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// BenchmarkRule compares the CPU time of an event, client and server together, with and
// without a rule that has one scope. The two take turns, so that a busy machine is the
// same for both; ratio is the cost with the rule by that without.
func BenchmarkRule(b *testing.B) {
	key := verifiertest.NewKey(verifier.HS256, "")
	set, err := keys.Secret(key.Material().([]byte))
	if err != nil {
		b.Fatal(err)
	}
	v, err := verifier.New(set)
	if err != nil {
		b.Fatal(err)
	}
	dial := func(options ...socketio.Option) *burster {
		s, err := googollee.NewServer(&googollee.Options{Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		n, err := s.Authorize("/", v, append(options, socketio.WithLogger(quiet))...)
		if err != nil {
			b.Fatal(err)
		}
		n.OnEvent("write", func(_ *googollee.Conn, text string) string { return text })
		c := dialBurst(b, serveHTTP(b, s), "4")
		if err := c.Write(fmt.Sprintf(`42["authenticate",{"token":%q}]`, key.Mint(nil, verifiertest.Claims{"sub": "ada", "scope": "r w"}))); err != nil {
			b.Fatal(err)
		}
		c.until(b, `42["authenticated"]`)
		return c
	}
	clients := [2]*burster{dial(), dial(socketio.Allow("write", socketio.Scope("w")))}
	var spent [2]time.Duration
	events := 0
	for b.Loop() {
		for i, c := range clients {
			before := cpu()
			for range 200 {
				if err := c.Write(`42["write","hello"]`); err != nil {
					b.Fatal(err)
				}
			}
			if err := c.Write(`421["write","done"]`); err != nil {
				b.Fatal(err)
			}
			c.until(b, `431["done"]`)
			spent[i] += cpu() - before
		}
		events += 201
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(events), "ns-cpu/event")
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
}

func cpu() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
