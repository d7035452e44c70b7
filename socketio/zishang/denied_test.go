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

// TestDeniedWithData: a refusal has no attachments. One whose data cannot be encoded refuses
// the client without it.
func TestDeniedWithData(t *testing.T) {
	web := serve(t, withOld(), func(s *Server) {
		public(t, s, "/")
		for name, data := range map[string]any{"/broken": make(chan int), "/panic": panics{}, "/bytes": map[string]any{"a": []byte{1}}} {
			guard(t, s, name, byName()).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				next(socket.NewExtendedError("no", data))
			})
		}
	})
	f := upgrade(t, web)
	f.send(`40/broken,{"token":"alice"}`)
	f.expect(`44/broken,{"message":"no"}`)
	f.send(`40/panic,{"token":"alice"}`)
	f.expect(`44/panic,{"message":"no"}`)
	f.send(`40/bytes,{"token":"alice"}`)
	f.expect(`44/bytes,{"message":"no","data":{"a":"AQ=="}}`)
	for name, want := range map[string]string{"/broken": `{"message":"refused"}`, "/bytes": `{"a":"AQ=="}`} {
		old := upgradeOld(t, web, "")
		old.send("40" + name + "?token=alice,")
		old.expect("44" + name + "," + want)
	}
}

// panics cannot be encoded.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("boom") }
