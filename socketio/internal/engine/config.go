package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// DefaultMaxUnauthenticated is the largest message in bytes that an
// unauthenticated client may send: a token of 16 KiB and what surrounds it.
const DefaultMaxUnauthenticated = 20 << 10

// Config sets the bounds of a [Server]. A zero field takes its default.
type Config struct {
	// PingInterval is how often a connection is pinged (25 s): by the client
	// in Engine.IO 3, by the server in Engine.IO 4. The session ends
	// PingTimeout (20 s) after a missed ping or pong.
	PingInterval, PingTimeout time.Duration

	// HandshakeTimeout bounds the time in which a client must show that it got
	// the handshake's answer and enter a namespace, also after it has left the last
	// one (10 s). MaxHandshakes is the number of clients that have not come as far
	// (4096), those included whose session ends before it has. One more is answered
	// 503, or ended if it was in a namespace before. Refused clients of Engine.IO 3
	// are bounded by the same number.
	HandshakeTimeout time.Duration
	MaxHandshakes    int

	// RefusalDelay is how long after its arrival a refused client is
	// disconnected (5 s): see [Refusal]. A retryable refusal takes a second of
	// it at most.
	RefusalDelay time.Duration

	UpgradeTimeout time.Duration // of a change to websocket, for each of its steps (10 s)
	ReadTimeout    time.Duration // of a POST body (20 s)
	WriteTimeout   time.Duration // of one write to a client (10 s)
	CloseTimeout   time.Duration // for the last packets to be fetched, or answered (5 s)

	MaxUnauthenticated int // bytes of a message or POST body while no namespace is open (DefaultMaxUnauthenticated)
	MaxMessage         int // the same afterwards, and of a message with its attachments (1 MiB)
	MaxInbound         int // bytes that wait for the library before the client has to (1 MiB)
	MaxOutbound        int // bytes that wait for the client before its session ends (4 MiB)
	MaxNamespaces      int // namespaces of one session (16)
	MaxAttachments     int // attachments of one packet (64)

	// Cookie, if not nil, is set by the handshake's answer. Its value is the
	// session's id.
	Cookie *http.Cookie

	// InitialPacket, if not empty, is a message that goes out behind the
	// handshake.
	InitialPacket []byte

	// NoUpgrades keeps clients with the transport that they began with.
	NoUpgrades bool

	// NoPolling and NoWebsocket refuse the requests of a transport, by the error
	// "Transport unknown".
	NoPolling, NoWebsocket bool

	// CompressFrom and CompressPollsFrom are the sizes in bytes from which a
	// websocket's messages and the answers to polls are compressed, if the client
	// agrees. 0 is never.
	CompressFrom, CompressPollsFrom int

	// CheckOrigin admits a request by its Origin. The default admits requests
	// from the same origin and those without one. An origin admitted here may
	// also read answers with credentials (CORS).
	CheckOrigin func(*http.Request) bool

	// NoCredentials keeps browsers from sending cookies with requests from other
	// origins, and ignores the cookies of websockets, which browsers always send.
	NoCredentials bool

	// Logger is told of panics, and at Debug of what ends a connection before
	// its time. The default discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	duration := func(name string, d *time.Duration, def time.Duration) error {
		if *d < 0 {
			return fmt.Errorf("engine: %s is %v, expected a positive duration or 0 for %v", name, *d, def)
		}
		if *d == 0 {
			*d = def
		}
		return nil
	}
	number := func(name string, n *int, def int) error {
		if *n < 0 {
			return fmt.Errorf("engine: %s is %d, expected a positive number or 0 for %d", name, *n, def)
		}
		if *n == 0 {
			*n = def
		}
		return nil
	}
	for _, err := range []error{
		duration("PingInterval", &c.PingInterval, 25*time.Second),
		duration("PingTimeout", &c.PingTimeout, 20*time.Second),
		duration("HandshakeTimeout", &c.HandshakeTimeout, 10*time.Second),
		duration("RefusalDelay", &c.RefusalDelay, 5*time.Second),
		duration("UpgradeTimeout", &c.UpgradeTimeout, 10*time.Second),
		duration("ReadTimeout", &c.ReadTimeout, 20*time.Second),
		duration("WriteTimeout", &c.WriteTimeout, 10*time.Second),
		duration("CloseTimeout", &c.CloseTimeout, 5*time.Second),
		number("MaxHandshakes", &c.MaxHandshakes, 4096),
		number("MaxUnauthenticated", &c.MaxUnauthenticated, 0),
		number("MaxMessage", &c.MaxMessage, 1<<20),
		number("MaxInbound", &c.MaxInbound, 1<<20),
		number("MaxOutbound", &c.MaxOutbound, 4<<20),
		number("MaxNamespaces", &c.MaxNamespaces, 16),
		number("MaxAttachments", &c.MaxAttachments, 64),
	} {
		if err != nil {
			return c, err
		}
	}
	if c.MaxAttachments > 9999 {
		return c, fmt.Errorf("engine: MaxAttachments is %d, expected at most 9999", c.MaxAttachments)
	}
	if c.NoPolling && c.NoWebsocket {
		return c, errors.New("engine: NoPolling and NoWebsocket are both set, expected at most one of them")
	}
	c.NoUpgrades = c.NoUpgrades || c.NoWebsocket
	if c.MaxUnauthenticated == 0 {
		c.MaxUnauthenticated = min(DefaultMaxUnauthenticated, c.MaxMessage)
	}
	if c.MaxUnauthenticated > c.MaxMessage {
		return c, fmt.Errorf("engine: MaxUnauthenticated is %d, expected at most MaxMessage, %d", c.MaxUnauthenticated, c.MaxMessage)
	}
	if c.CheckOrigin == nil {
		c.CheckOrigin = SameOrigin
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
