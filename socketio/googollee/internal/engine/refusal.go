package engine

import (
	"net/http"
	"net/url"
	"strings"
)

// refusedID is the session id in the answer to a refused handshake. No session
// has it: ids are random, and longer.
const refusedID = "denied"

// errorMessage is an ERROR packet.
func errorMessage(nsp string, reason any) message {
	data, err := marshal(reason)
	if err != nil {
		data, _ = marshal(genericError()) // a map of strings: it cannot fail
	}
	p := packet{kind: kindError, nsp: nsp, data: data}
	return message{text: p.forClient()}
}

func disconnectMessage(nsp string) message {
	p := packet{kind: kindDisconnect, nsp: nsp}
	return message{text: p.forClient()}
}

func genericError() any {
	return map[string]string{"message": "unauthorized", "code": "unauthorized", "type": "UnauthorizedError"}
}

// refusalMessages tell a client that its connection ends. Namespaces come
// before the root, and each with its own: a client 1.x in a namespace ignores
// the root's error, and a client 2.x takes it for a second one of its own unless
// it has been disconnected before.
func refusalMessages(r *Refusal, namespaces []string) []message {
	if r == nil {
		r = &Refusal{}
	}
	var all []message
	say := func(nsp string) {
		if r.Error != nil {
			all = append(all, errorMessage(nsp, r.Error))
		}
		if !r.Retryable {
			all = append(all, disconnectMessage(nsp))
		}
	}
	for _, nsp := range namespaces {
		if nsp != root && strings.HasPrefix(nsp, root) {
			say(nsp)
		}
	}
	say(root)
	return all
}

// refuse answers a handshake that was not admitted: the client connects to a
// session that does not exist, is told why it may not, and is disconnected. A
// plain HTTP error would reach it as "xhr poll error", without a reason. Nothing
// is kept.
func (e *Server) refuse(w http.ResponseWriter, r *http.Request, q url.Values, refusal *Refusal) {
	if refusal == nil {
		refusal = &Refusal{Error: genericError()}
	}
	batch := []message{openMessage(refusedID, []string{}, &e.config)}
	batch = append(batch, refusalMessages(refusal, e.config.Namespaces())...)
	if q.Get("transport") == "websocket" {
		ws, err := e.accept(w, r, false)
		if err != nil {
			return // the upgrader has answered
		}
		ws.goodbye(batch, e.config.WriteTimeout, e.config.CloseTimeout)
		ws.conn.Close()
		return
	}
	batch = append(batch, message{text: []byte{typeClose}})
	b64 := q.Get("b64") != "" || q.Get("j") != ""
	// The answer fits the connection's buffers: an error shows on no later
	// write of ours, and there is nothing to clean up.
	_ = e.writePoll(w, r, batch, b64)
}
