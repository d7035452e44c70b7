package engine

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// wsConn is a websocket with one writer at a time.
type wsConn struct {
	conn    *websocket.Conn
	dialect *dialect
	out     *corked // below conn
	base64  bool    // the client cannot take binary frames

	compressFrom int // bytes; 0 for never
	readLimit    int // bytes of a message after decompression

	writer sync.Mutex
}

// answerHeader returns the header of an upgrade's answer.
func answerHeader(h http.Header, r *http.Request) http.Header {
	var answer http.Header
	if set := h.Values("Set-Cookie"); len(set) > 0 {
		answer = http.Header{"Set-Cookie": set}
	}
	if p := subprotocol(r); p != "" {
		if answer == nil {
			answer = make(http.Header, 1)
		}
		answer.Set("Sec-Websocket-Protocol", p)
	}
	return answer
}

// accept upgrades a request. The read buffer is small, and a connection has a write
// buffer only while it writes, so that an idle one costs little. The answer to the request
// leaves together with the first messages.
func (s *Session) accept(w http.ResponseWriter, r *http.Request, base64 bool) (*wsConn, error) {
	e := s.server
	cw := &corkedWriter{ResponseWriter: w}
	conn, err := e.upgrader.Upgrade(cw, r, answerHeader(w.Header(), r))
	if err != nil {
		return nil, err
	}
	// Above the limit that the readers keep themselves, which grows when the
	// client authenticates, perhaps while a frame is awaited.
	most := e.config.MaxMessage + 1024
	conn.SetReadLimit(int64(most))
	flood.LimitPings(conn, maxIdle, s.pong)
	return &wsConn{conn: conn, dialect: s.dialect, out: cw.conn, base64: base64, compressFrom: e.config.CompressFrom, readLimit: most}, nil
}

// subprotocol chooses the first subprotocol that the client offers, as Node.js
// does: a browser closes a websocket whose offers are all ignored. What may be a
// credential is never echoed; the name before it, which says what it is, can be.
func subprotocol(r *http.Request) string {
	for _, p := range websocket.Subprotocols(r) {
		if len(p) <= maxSubprotocol && strings.Count(p, ".") < 2 {
			return p
		}
	}
	return ""
}

// maxSubprotocol is the longest name of a subprotocol that is echoed. The names
// that are registered have at most 40 characters; opaque tokens tend to have more.
const maxSubprotocol = 40

// write sends messages, each within its own timeout, and a close frame after the
// last ones.
func (c *wsConn) write(batch []message, timeout time.Duration, last bool) error {
	c.writer.Lock()
	defer c.writer.Unlock()
	if len(batch) > 1 || last {
		c.out.cork()
	}
	for i := range batch {
		m := &batch[i]
		deadline := time.Now().Add(timeout)
		if m.text == nil {
			if err := c.conn.WriteControl(websocket.PingMessage, nil, deadline); err != nil {
				return err
			}
			continue
		}
		_ = c.conn.SetWriteDeadline(deadline) // an error shows in the write
		// Without effect unless the client agreed.
		c.conn.EnableWriteCompression(len(m.text) >= c.compressFrom)
		if err := c.conn.WriteMessage(websocket.TextMessage, m.text); err != nil {
			return err
		}
		for _, a := range m.attachments {
			if err := c.writeAttachment(a); err != nil {
				return err
			}
		}
	}
	if last {
		err := c.conn.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		if err != nil {
			return err
		}
	}
	return c.out.uncork(time.Now().Add(timeout))
}

func (c *wsConn) writeAttachment(a []byte) error {
	if c.base64 {
		return c.conn.WriteMessage(websocket.TextMessage, c.dialect.base64(a))
	}
	w, err := c.conn.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err = w.Write(c.dialect.binaryType); err == nil {
		_, err = w.Write(a)
	}
	return errors.Join(err, w.Close())
}

// read returns the next packet. If it is too large, read returns its beginning and skips
// the rest, up to readLimit: the connection's own limit counts the bytes before
// decompression, and one byte may become a thousand.
func (c *wsConn) read(limit func() int) (frame, error) {
	kind, r, err := c.conn.NextReader()
	if err != nil {
		return frame{}, err
	}
	b, err := readLimited(r, limit())
	if errors.Is(err, errTooLarge) && kind == websocket.TextMessage {
		var n int64
		if n, err = io.Copy(io.Discard, io.LimitReader(r, int64(c.readLimit))); err == nil && n == int64(c.readLimit) {
			return frame{}, errTooLarge
		}
		return frame{kind: typeTooLarge, data: b}, err
	}
	if err != nil {
		return frame{}, err
	}
	if kind == websocket.BinaryMessage {
		return c.dialect.binaryFrame(b)
	}
	return c.dialect.textFrame(b)
}

// attach gives a new session its websocket, and writes the first messages. It does so in
// the goroutine of the request, whose stack has grown already.
func (s *Session) attach(ws *wsConn) {
	s.server.tasks.Add()
	defer s.server.tasks.Done()
	s.mu.Lock()
	if s.cutOff {
		s.mu.Unlock()
		_ = ws.out.uncork(s.server.writeDeadline()) // the client must not wait for more
		ws.conn.Close()
		return
	}
	s.link.ws, s.link.writing = ws, true
	if s.dialect.entersRoot && s.liveLocked() {
		s.establishedLocked()
	}
	s.server.run(s, "reader", func() { s.readLoop(ws) })
	s.mu.Unlock()
	s.writeLoop(ws)
}

// readLoop is the goroutine of a websocket: it ends with it.
func (s *Session) readLoop(ws *wsConn) {
	for {
		f, err := ws.read(s.limit)
		if err != nil {
			s.lost(ws, err)
			return
		}
		// What comes after the end is read and dropped, until the client has
		// answered the close frame or its time is up.
		if f.kind == typeTooLarge && !s.mayBeTooLarge(f) {
			s.lost(ws, errTooLarge)
			return
		}
		if !s.receive(f) {
			s.lost(ws, net.ErrClosed)
			return
		}
	}
}

// lost ends the client's side after a websocket failed.
func (s *Session) lost(ws *wsConn, err error) {
	ws.conn.Close()
	reason := reasonTransport
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, websocket.ErrReadLimit):
		reason = "a message is too large"
	case errors.Is(err, errFrame), errors.Is(err, errBase64):
		reason = "malformed packet: " + err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ws {
	case s.link.ws:
		s.endLocked(end{reason: reason, keep: true})
		s.cutLocked()
	case s.link.candidate:
		// Polling goes on.
		s.link.candidate, s.link.upgrading = nil, false
		s.wakeLocked()
	}
}

// writeLoop writes what is queued for a websocket and returns when nothing is.
func (s *Session) writeLoop(ws *wsConn) {
	for {
		s.mu.Lock()
		batch := s.takeLocked()
		last := s.final
		if s.cutOff || len(batch) == 0 && !last {
			s.link.writing = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		err := ws.write(batch, s.server.config.WriteTimeout, last)
		s.mu.Lock()
		s.wroteLocked(batch)
		brief := s.brief
		s.mu.Unlock()
		if err != nil {
			s.lost(ws, err)
			return
		}
		if last {
			if brief {
				s.lost(ws, net.ErrClosed)
				return
			}
			// The writer stays marked as writing, so that no other one sends a
			// second close frame.
			_ = ws.conn.SetReadDeadline(time.Now().Add(s.server.config.CloseTimeout))
			return
		}
	}
}

// serveUpgrade accepts a websocket as the candidate that may replace polling.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.state != connected || !s.link.polling || s.link.ws != nil || s.link.candidate != nil {
		s.mu.Unlock()
		writeError(w, errBadRequest)
		return
	}
	// It keeps other candidates away while the request is upgraded.
	place := &wsConn{}
	s.link.candidate = place
	s.mu.Unlock()
	ws, err := s.accept(w, r, r.URL.Query().Get("b64") != "")
	if err == nil {
		if err = ws.out.uncork(s.server.writeDeadline()); err != nil {
			ws.conn.Close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.candidate != place {
		if err == nil {
			ws.conn.Close()
		}
		return
	}
	s.link.candidate = nil
	if err != nil {
		return // the upgrader has answered, or nobody is there
	}
	s.link.candidate = ws
	s.server.run(s, "probe", func() { s.probe(ws) })
}

var errProbe = errors.New("expected the probe, and then UPGRADE")

// probe is the goroutine of a candidate. The client pings, gets an answer, waits for its
// poll to return, and sends UPGRADE. From then on this is the session's websocket, and
// this goroutine its reader.
func (s *Session) probe(ws *wsConn) {
	if err := s.answerProbe(ws); err != nil {
		s.lost(ws, err)
		return
	}
	_ = ws.conn.SetReadDeadline(time.Time{})
	if s.changeOver(ws) {
		s.established() // the client may not have polled again
		s.readLoop(ws)
		return
	}
	ws.conn.Close()
}

// answerProbe answers the candidate's ping and waits for UPGRADE.
func (s *Session) answerProbe(ws *wsConn) error {
	if err := s.expect(ws, typePing, "probe"); err != nil {
		return err
	}
	s.mu.Lock()
	current := s.link.candidate == ws
	if current {
		// Before the write: the client may send UPGRADE before it returns.
		s.link.upgrading = true
		s.wakeLocked()
	}
	s.mu.Unlock()
	if !current {
		return errProbe
	}
	if err := ws.write([]message{{text: []byte("3probe")}}, s.server.config.WriteTimeout, false); err != nil {
		return err
	}
	return s.expect(ws, typeUpgrade, "")
}

// expect reads one packet of a candidate.
func (s *Session) expect(ws *wsConn, kind byte, data string) error {
	_ = ws.conn.SetReadDeadline(time.Now().Add(s.server.config.UpgradeTimeout))
	f, err := ws.read(func() int { return 64 })
	if err == nil && (f.kind != kind || string(f.data) != data) {
		return errProbe
	}
	return err
}

// changeOver makes a candidate the session's websocket, unless it no longer is one.
func (s *Session) changeOver(ws *wsConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.candidate != ws {
		return false
	}
	s.wakeLocked() // a poll that hangs returns with NOOP
	s.link.ws, s.link.candidate, s.link.upgrading = ws, nil, false
	s.heardLocked(time.Now())
	s.wakeLocked()
	return true
}
