package googollee

import (
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// BroadcastAcross broadcasts an event to rooms, and calls between when the sockets are
// chosen and the event is not sent.
func BroadcastAcross(n *Namespace, event string, between func(), rooms ...string) {
	to := cluster.Target{Rooms: rooms}
	chosen := (*local)(n).selected(to)
	between()
	e := engine.NewEvent(n.name, []byte(`["`+event+`"]`), nil)
	for _, s := range chosen {
		s.send(e, nil, to)
	}
}
