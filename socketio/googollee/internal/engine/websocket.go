package engine

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// wsConn is a websocket with one writer at a time.
type wsConn struct {
	conn   *websocket.Conn
	base64 bool // the client cannot take binary frames

	writer sync.Mutex
}

// accept upgrades a request. The buffers are small, and those for writing belong
// to a connection only while it writes: an idle one costs little.
func (e *Server) accept(w http.ResponseWriter, r *http.Request) (*wsConn, error) {
	conn, err := e.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	// Above the limit that the readers keep themselves, which grows when the
	// client authenticates, perhaps while a frame is awaited.
	conn.SetReadLimit(int64(e.config.MaxMessage) + 1024)
	return &wsConn{conn: conn, base64: r.URL.Query().Get("b64") != ""}, nil
}

// write sends messages, each within its own timeout.
func (c *wsConn) write(batch []message, timeout time.Duration) error {
	c.writer.Lock()
	defer c.writer.Unlock()
	for i := range batch {
		m := &batch[i]
		_ = c.conn.SetWriteDeadline(time.Now().Add(timeout)) // an error shows in the write
		if err := c.conn.WriteMessage(websocket.TextMessage, m.text); err != nil {
			return err
		}
		for _, a := range m.attachments {
			if err := c.writeAttachment(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *wsConn) writeAttachment(a []byte) error {
	if c.base64 {
		return c.conn.WriteMessage(websocket.TextMessage, base64Packet(a))
	}
	w, err := c.conn.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err = w.Write([]byte{typeMessage - '0'}); err == nil {
		_, err = w.Write(a)
	}
	return errors.Join(err, w.Close())
}

// sayClose sends a close frame.
func (c *wsConn) sayClose() error {
	return c.conn.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
}

// goodbye sends a close frame and waits for the client's. Closing at once could
// reset the connection, and what was written last would be lost with it.
func (c *wsConn) goodbye(timeout time.Duration) {
	_ = c.conn.SetReadDeadline(time.Now().Add(timeout))
	if c.sayClose() != nil {
		return
	}
	for {
		_, r, err := c.conn.NextReader()
		if err != nil {
			return
		}
		if _, err = io.Copy(io.Discard, r); err != nil {
			return
		}
	}
}

// read returns the next packet.
func (c *wsConn) read(limit func() int) (frame, error) {
	kind, r, err := c.conn.NextReader()
	if err != nil {
		return frame{}, err
	}
	b, err := readLimited(r, limit())
	if err != nil {
		return frame{}, err
	}
	if kind == websocket.BinaryMessage {
		return binaryFrame(b)
	}
	return textFrame(b)
}

// attach gives a new session its websocket.
func (s *Session) attach(ws *wsConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cutOff {
		ws.conn.Close()
		return
	}
	s.link.ws = ws
	s.establishedLocked()
	s.wakeLocked()
	s.server.tasks.Go(func() { s.readLoop(ws) })
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
		s.receive(f)
	}
}

// lost finishes the client's side after a websocket failed.
func (s *Session) lost(ws *wsConn, err error) {
	ws.conn.Close()
	reason := "transport close"
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
		if len(batch) == 0 || s.cutOff {
			if s.phase < ending || s.cutOff {
				s.link.writing = false
				s.mu.Unlock()
				return
			}
			// Nothing can be queued any more. The writer stays marked as
			// writing, so that there is no other goodbye.
			s.mu.Unlock()
			_ = ws.conn.SetReadDeadline(time.Now().Add(s.server.config.CloseTimeout))
			if err := ws.sayClose(); err != nil {
				s.lost(ws, err)
			}
			return
		}
		s.mu.Unlock()
		err := ws.write(batch, s.server.config.WriteTimeout)
		s.mu.Lock()
		s.wroteLocked(batch)
		s.mu.Unlock()
		if err != nil {
			s.lost(ws, err)
			return
		}
	}
}

// serveUpgrade takes a websocket that wants to replace polling.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.phase != live || !s.link.polling || s.link.ws != nil || s.link.candidate != nil {
		s.mu.Unlock()
		writeError(w, errBadRequest)
		return
	}
	// Holds the place while the request is upgraded.
	place := &wsConn{}
	s.link.candidate = place
	s.mu.Unlock()
	ws, err := s.server.accept(w, r)
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
		return // the upgrader has answered
	}
	s.link.candidate = ws
	s.server.tasks.Go(func() { s.probe(ws) })
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
			err = ws.write([]message{{text: []byte("3probe")}}, s.server.config.WriteTimeout)
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
	s.establishedLocked()
	s.wakeLocked()
	s.mu.Unlock()
	s.readLoop(ws)
}
