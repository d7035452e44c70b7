package zishang

import (
	"strings"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// early is an adapter by which a socket hears an event before the library has told
// its client that it is connected, as it may of one that another goroutine emits.
type early struct{ socket.AdapterBuilder }

func (e *early) New(n socket.Namespace) socket.Adapter {
	return &earlyAdapter{e.AdapterBuilder.New(n), n}
}

type earlyAdapter struct {
	socket.Adapter
	namespace socket.Namespace
}

func (a *earlyAdapter) AddAll(id socket.SocketId, rooms *types.Set[socket.Room]) {
	a.Adapter.AddAll(id, rooms)
	_ = a.namespace.Emit("early", []byte{1})
}

// TestGreeting: a client is told that it is authenticated before it hears anything
// else, and no packet is sent for nothing.
func TestGreeting(t *testing.T) {
	for name, adapter := range map[string]socket.AdapterConstructor{"by itself": nil, "before an event": &early{}} {
		t.Run(name, func(t *testing.T) {
			options := socket.DefaultServerOptions()
			if adapter != nil {
				options.SetAdapter(adapter)
			}
			web := serve(t, options, func(io *socket.Server) {
				io.Use(authorize(t, socketio.ByEvent()))
				_ = io.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("welcome") })
			})
			c := dial(t, web)
			c.send("40")
			c.connected("/")
			c.send(`42["authenticate",{"token":"alice"}]`)
			c.expect(`42["authenticated"]`)
			if adapter != nil {
				c.expect(`451-["early",{"_placeholder":true,"num":0}]`)
				c.expect("bAQ==")
			}
			c.expect(`42["welcome"]`)
			if adapter == nil && c.empty > 0 {
				t.Errorf("%d packets came for nothing", c.empty)
			}
		})
	}
}

// TestRefusalsSayOnlyThat: a refusal is one packet, in the handshake and by event, and
// the client may be in the namespace again at once.
func TestRefusalsSayOnlyThat(t *testing.T) {
	web := serve(t, nil, func(io *socket.Server) {
		io.Use(authorize(t))
		io.Of("/event", nil).Use(authorize(t, socketio.ByEvent(), socketio.DisconnectNow()))
	})
	c := dial(t, web)
	for range 3 {
		c.send(`40{"token":"bad"}`, `40{"token":"bad"}`)
		c.expect(refusalPacket("/", errBadToken))
		c.expect(refusalPacket("/", errBadToken))
		c.send("40/event,")
		c.connected("/event")
		c.send(`42/event,["authenticate",{"token":"bad"}]`)
		if got := c.next(); !strings.HasPrefix(got, `42/event,["unauthorized",`) {
			t.Fatalf("got %s", got)
		}
		c.expect("41/event,")
		c.send("40/event,")
		c.connected("/event")
		c.send("41/event,")
	}
	c.send(`40{"token":"alice"}`)
	c.connected("/")
	if c.empty > 3 { // the client's own goodbyes
		t.Errorf("%d packets came for nothing", c.empty)
	}
}
