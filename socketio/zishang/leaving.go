package zishang

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// How a guarded socket is refused, ended, and forgotten.

// Close ends the socket in one step.
func (g *guarded) Close(cause error, event string, args ...any) {
	if g.move(over, admitting) {
		g.refuse(verifier.AsUnauthorized(cause))
		return
	}
	var packets []string
	if event != "" {
		if text := g.event(event, "", args...); text != "" {
			packets = append(packets, text)
		}
	}
	goodbye, _ := packet(typeDisconnect, g.namespace, "", nil)
	packets = append(packets, goodbye)

	g.conn.sending.Lock()
	unknown := g.move(over, held)
	onItsWay := !unknown && g.move(over, entering)
	if !unknown && !onItsWay && !g.move(over, open) {
		g.conn.sending.Unlock()
		return
	}
	if onItsWay && !g.answered.Swap(true) {
		packets = []string{g.refusal(verifier.AsUnauthorized(cause))} // it is not connected yet
	}
	g.conn.write(packets...)
	g.conn.sending.Unlock()
	if g.legacy() && g.namespace == "/" {
		g.conn.bar(false)
		for _, other := range g.conn.others(g) {
			if other.is(held, entering, open) {
				other.Close(socketio.ErrDisconnected, "")
			}
		}
	}
	if unknown {
		g.gone()
		return
	}
	if onItsWay {
		return // the library is connecting it just now: the rest is for arrive
	}
	// What the library has queued is not handled any more, even if it takes a while
	// to forget the socket.
	g.silence()
	g.conn.whenRead(func() { g.socket.Disconnect(false) })
}

// farewell has the library forget a socket that it has not connected. Its client has
// been told in our words already, or is gone, and must not hear of it: see
// connection.outgoing.
func (g *guarded) farewell() *socket.ExtendedError {
	return socket.NewExtendedError("closed", closed+strconv.FormatUint(g.number, 10))
}

var (
	closed = "closed " + rand.Text() + " " // nobody else's word
	guards atomic.Uint64                   // that there have been
)

// refusal is what tells the client that its socket is not let in.
func (g *guarded) refusal(err *verifier.UnauthorizedError) string {
	var data any = err
	if !g.legacy() {
		data = struct {
			Message string                      `json:"message"`
			Data    *verifier.UnauthorizedError `json:"data"`
		}{err.Message, err}
	}
	text, _ := packet(typeConnectError, g.namespace, "", data)
	return text
}

// refuse refuses a socket that the middleware has. The phase is over.
func (g *guarded) refuse(err *verifier.UnauthorizedError) {
	text := g.refusal(err)
	g.conn.sending.Lock()
	g.conn.write(text)
	g.conn.sending.Unlock()
	if g.legacy() && g.namespace == "/" {
		g.conn.bar(err.Retryable)
	}
	g.gone()
	g.conn.refused()
}

// gone takes note that the socket is no more.
func (g *guarded) gone() {
	g.move(over, admitting, held, entering, open)
	g.end()
	g.going.Do(func() {
		g.dismissed.Store(true)
		g.goOn(g.farewell())
	})
	if !g.dismissed.Load() || g.conn.isClosed() {
		g.leave()
	} // otherwise the library is yet to forget it, and says so
}

// leave takes note that the library has the socket no more: the client may be in the
// namespace again, by a socket of the same id if it is a 2.x.
func (g *guarded) leave() { g.leaving.Do(func() { close(g.left) }) }

// end tells the guard.
func (g *guarded) end() {
	if guard := g.guard.Load(); guard != nil {
		guard.Closed()
	}
}

var errOther = errors.New("zishang: another middleware refused the socket")

// deny takes note of another middleware's refusal, in its words. The library has
// forgotten the socket.
func (g *guarded) deny(data []byte) {
	var refusal struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(data, &refusal)
	g.leaving.Do(func() {
		g.denied = &verifier.UnauthorizedError{
			Code: verifier.CodeUnknown, Message: refusal.Message, Reason: verifier.ErrRejected, Err: errOther,
		}
		close(g.left)
	})
	if !g.wasHeld.Load() { // the client is told in the library's way
		g.move(over, entering)
		g.end()
	}
}
