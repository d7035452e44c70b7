package engine

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config sets the bounds of a [Server]. A zero field takes its default.
type Config struct {
	// PingInterval is how often clients ping (25 s), and PingTimeout how long
	// after a missed ping the session ends (20 s).
	PingInterval, PingTimeout time.Duration

	// HandshakeTimeout bounds the time from a handshake's admission to the
	// first sign that the client got its answer (10 s), MaxHandshakes the
	// number of clients that have not come as far (4096). One more is
	// answered 503.
	HandshakeTimeout time.Duration
	MaxHandshakes    int

	UpgradeTimeout time.Duration // of a change to websocket, for each of its steps (10 s)
	ReadTimeout    time.Duration // of a POST body (20 s)
	WriteTimeout   time.Duration // of one write to a client (10 s)
	CloseTimeout   time.Duration // for a goodbye to be fetched, or answered (5 s)
	FlushTimeout   time.Duration // for the library to hand over what was emitted before an end (1 s)

	MaxUnauthenticated int // bytes of a message or POST body while no namespace is open (16 KiB)
	MaxMessage         int // the same afterwards, and of a message with its attachments (1 MiB)
	MaxInbound         int // bytes that wait for the library before the client has to (1 MiB)
	MaxOutbound        int // bytes that wait for the client before its session ends (4 MiB)
	MaxNamespaces      int // namespaces of one session (16)
	MaxAttachments     int // attachments of one packet (64)

	// CheckOrigin admits a request by its Origin. The default admits requests
	// from the same origin and those without one. An origin admitted here may
	// also read answers with credentials (CORS).
	CheckOrigin func(*http.Request) bool

	// Namespaces lists the namespaces there are, for refusals: a client 1.x
	// in a namespace other than the root does not hear the root's.
	Namespaces func() []string

	// GuestEvent tells which events guests may send: all, by default. It must
	// not block.
	GuestEvent func(nsp, event string) bool

	// Logger is told of panics in hooks. The default discards.
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
		duration("UpgradeTimeout", &c.UpgradeTimeout, 10*time.Second),
		duration("ReadTimeout", &c.ReadTimeout, 20*time.Second),
		duration("WriteTimeout", &c.WriteTimeout, 10*time.Second),
		duration("CloseTimeout", &c.CloseTimeout, 5*time.Second),
		duration("FlushTimeout", &c.FlushTimeout, time.Second),
		number("MaxHandshakes", &c.MaxHandshakes, 4096),
		number("MaxUnauthenticated", &c.MaxUnauthenticated, 16<<10),
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
	if c.CheckOrigin == nil {
		c.CheckOrigin = sameOrigin
	}
	if c.Namespaces == nil {
		c.Namespaces = func() []string { return nil }
	}
	if c.GuestEvent == nil {
		c.GuestEvent = func(string, string) bool { return true }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
