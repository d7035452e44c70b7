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

// accept upgrades a request. The buffers are small, and those for writing belong
// to a connection only while it writes: an idle one costs little. The answer goes
// out with what is written first.
func (s *Session) accept(w http.ResponseWriter, r *http.Request) (*wsConn, error) {
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
	base64 := r.URL.Query().Get("b64") != ""
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
		if c.compressFrom > 0 {
			c.conn.EnableWriteCompression(len(m.text) >= c.compressFrom)
		}
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
	return c.out.uncork()
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

// read returns the next packet. Of one that is too large it returns the beginning,
// and reads past the rest, up to readLimit: the limit of the connection counts the
// bytes before decompression, of which one may become a thousand.
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

// attach gives a new session its websocket, and writes what is first written to
// it: this goroutine is there, and a new one would have to grow its stack.
func (s *Session) attach(ws *wsConn) {
	s.server.tasks.Add(1)
	defer s.server.tasks.Done()
	s.mu.Lock()
	if s.cutOff {
		s.mu.Unlock()
		_ = ws.out.uncork() // the client learns that there is no more to come
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
		// What comes after the end is read and forgotten, until the client
		// has answered the goodbye or its time is up.
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

// lost finishes the client's side after a websocket failed.
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
		s.mu.Unlock()
		if err != nil {
			s.lost(ws, err)
			return
		}
		if last {
			if s.brief {
				s.lost(ws, net.ErrClosed)
				return
			}
			// The writer stays marked as writing, so that there is no other
			// goodbye.
			_ = ws.conn.SetReadDeadline(time.Now().Add(s.server.config.CloseTimeout))
			return
		}
	}
}

// serveUpgrade takes a websocket that wants to replace polling.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.state != connected || !s.link.polling || s.link.ws != nil || s.link.candidate != nil {
		s.mu.Unlock()
		writeError(w, errBadRequest)
		return
	}
	// Holds the place while the request is upgraded.
	place := &wsConn{}
	s.link.candidate = place
	s.mu.Unlock()
	ws, err := s.accept(w, r)
	if err == nil {
		if err = ws.out.uncork(); err != nil {
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

// probe is the goroutine of a candidate. The client pings, is answered, waits
// for its poll to return, and sends UPGRADE: from then on this is the session's
// websocket, and this goroutine its reader.
func (s *Session) probe(ws *wsConn) {
	timeout := s.server.config.UpgradeTimeout
	small := func() int { return 64 }
	for answered := false; ; answered = true {
		_ = ws.conn.SetReadDeadline(time.Now().Add(timeout))
		f, err := ws.read(small)
		if err == nil && answered && f.kind == typeUpgrade && len(f.data) == 0 {
			break
		}
		if err == nil && (answered || f.kind != typePing || string(f.data) != "probe") {
			err = errProbe
		}
		if err == nil {
			s.mu.Lock()
			if s.link.candidate == ws {
				// Before the answer is written: the client may be faster
				// than the return of the write.
				s.link.upgrading = true
			} else {
				err = errProbe
			}
			s.wakeLocked()
			s.mu.Unlock()
		}
		if err == nil {
			err = ws.write([]message{{text: []byte("3probe")}}, s.server.config.WriteTimeout, false)
		}
		if err != nil {
			s.lost(ws, err)
			return
		}
	}
	_ = ws.conn.SetReadDeadline(time.Time{})
	s.mu.Lock()
	if s.link.candidate != ws || s.cutOff {
		s.mu.Unlock()
		ws.conn.Close()
		return
	}
	if p := s.link.poll; p != nil {
		s.wakeLocked() // to be answered with NOOP
	}
	s.link.ws, s.link.candidate, s.link.upgrading = ws, nil, false
	s.heardLocked(time.Now())
	s.wakeLocked()
	s.mu.Unlock()
	s.readLoop(ws)
}
