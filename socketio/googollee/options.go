package googollee

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// Options sets the bounds of a [Server]. A zero field takes its default.
type Options struct {
	// CORS admits browsers on pages of other origins. By default only requests
	// from the same origin, and those without one, are admitted: a page of another
	// origin would otherwise act with its visitor's cookies.
	CORS *CORS

	// CheckOrigin decides instead of CORS, by the Origin header. An origin that
	// it admits may send cookies and read the answers.
	CheckOrigin func(*http.Request) bool

	// Transports are those that the server offers, "polling" and "websocket" by
	// default. With only "websocket", clients need the option
	// transports: ["websocket"]; the requests of others are answered 400
	// "Transport unknown".
	Transports []string

	// PingInterval is how often clients ping, 25 s by default; a connection
	// ends PingTimeout, 20 s by default, after a missed one.
	PingInterval, PingTimeout time.Duration

	// RefusalDelay is how long after it came a refused client is disconnected:
	// 5 s by default. Until then it hears why, and nothing else. An application
	// that connects again in its "disconnect" handler so makes one attempt in
	// that time.
	RefusalDelay time.Duration

	// MaxMessage is the size in bytes of the largest message accepted from an
	// authenticated socket, with its attachments: 1 MiB by default.
	// MaxUnauthenticatedMessage is the same before: 20 KiB by default, enough for
	// the 16 KiB of [verifier.DefaultMaxTokenLength]. Raise both together.
	MaxMessage, MaxUnauthenticatedMessage int

	// MaxAttachments is how many attachments an event or an acknowledgement of a
	// client may have: 64 by default, at most 9999. One with more ends the connection,
	// as does JSON that is nested deeper than 64; OnDisconnect is told why.
	MaxAttachments int

	// MaxBuffered is how many bytes may wait for a client that does not read
	// before its connection ends: 4 MiB by default.
	MaxBuffered int

	// MaxNamespaces is how many namespaces a connection may be in: 16 by
	// default.
	MaxNamespaces int

	// MaxHandshakes is how many connections may be in no namespace at once: 4096 by
	// default. Each has ten seconds, and counts until it is gone. One more is answered
	// 503, and its client tries again. As many connections of clients 1.x and 2.x that were refused in the
	// handshake may wait for their end.
	MaxHandshakes int

	// Cluster joins the namespaces of the server to those of other nodes: then
	// broadcasts, and what [Namespace.To] and [Namespace.ServerSideEmit] do, reach all
	// nodes. By default there is one node. Close the cluster after the server.
	Cluster *cluster.Cluster

	// Logger is told of panics and of what ends a connection before its time:
	// [slog.Default] by default.
	Logger *slog.Logger
}

// transports reads the option.
func (o *Options) transports() (polling, websocket bool, err error) {
	if o.Transports == nil {
		return true, true, nil
	}
	for _, name := range o.Transports {
		switch name {
		case "polling":
			polling = true
		case "websocket":
			websocket = true
		default:
			return false, false, fmt.Errorf(`Transports has %q: expected "polling" or "websocket"`, name)
		}
	}
	if !polling && !websocket {
		return false, false, fmt.Errorf(`Transports is empty: expected "polling", "websocket" or both`)
	}
	return polling, websocket, nil
}
