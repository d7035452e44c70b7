package zishang

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// TestDeniedIsForgotten: of a socket that another middleware refuses nothing stays. The
// library closes the queue of such a socket before it says so.
func TestDeniedIsForgotten(t *testing.T) {
	web := serve(t, nil, func(s *Server) {
		public(t, s, "/")
		public(t, s, "/x").Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", nil))
		})
	})
	c := dial(t, web)
	c.send("40")
	c.connected("/")
	before := runtime.NumGoroutine()
	const attempts = 60
	for range attempts {
		c.send("40/x,")
		if got := c.next(); got != `44/x,{"message":"no","data":null}` {
			t.Fatal(got)
		}
	}
	eventually(t, func() (bool, string) {
		n := runtime.NumGoroutine()
		return n < before+attempts/4, fmt.Sprintf("%d goroutines, before them %d", n, before)
	})
}

// TestDeniedWithoutData: a client whose refusal has data that cannot be encoded is refused
// without it.
func TestDeniedWithoutData(t *testing.T) {
	web := serve(t, withOld(), func(s *Server) {
		public(t, s, "/")
		guard(t, s, "/x", byName()).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", make(chan int)))
		})
	})
	f := upgrade(t, web)
	f.send(`40/x,{"token":"alice"}`)
	f.expect(`44/x,{"message":"no"}`)
	old := upgradeOld(t, web, "")
	old.send("40/x?token=alice,")
	old.expect(`44/x,{"message":"refused"}`)
}
