package engine

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// flusher writes the few bytes that most messages are to the websockets of many sessions,
// in a few goroutines. It never waits for a client: one that does not take everything at once
// gets a separate goroutine.
type flusher struct {
	mu      sync.Mutex
	ready   []*Session // whose link.writing is set
	workers int
}

// perFlusher is how many sessions wait before another processor helps.
const perFlusher = 32

// flushLocked has the session's queue written. The caller holds the session's mutex.
func (s *Session) flushLocked() {
	e := s.server
	f := &e.flusher
	f.mu.Lock()
	f.ready = append(f.ready, s)
	more := f.workers == 0 || len(f.ready) > f.workers*perFlusher && f.workers < runtime.GOMAXPROCS(0)
	if more {
		f.workers++
	}
	f.mu.Unlock()
	if more {
		e.tasks.Go(e.flush)
	}
}

// next returns a session that is ready, or nil: then the worker ends.
func (f *flusher) next() *Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		f.workers--
		f.ready = nil
		return nil
	}
	s := f.ready[0]
	f.ready[0] = nil
	f.ready = f.ready[1:]
	return s
}

// flush is the goroutine of a worker.
func (e *Server) flush() {
	for s := e.flusher.next(); s != nil; s = e.flusher.next() {
		e.guard(s, "writer", s.tryWrite)
	}
}

var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

// tryWrite writes what is queued for a websocket. link.writing is set.
func (s *Session) tryWrite() {
	buffer := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buffer)
	s.mu.Lock()
	ws := s.link.ws
	if s.final || s.out.bytes > maxHeld || !ws.plain(s.out.queue) {
		s.server.run(s, "writer", func() { s.writeLoop(ws) })
		s.mu.Unlock()
		return
	}
	if s.cutOff || len(s.out.queue) == 0 {
		s.link.writing = false
		s.mu.Unlock()
		return
	}
	frames, n := (*buffer)[:0], 0 // out.bytes may have those of a poll as well
	for i := range s.out.queue {
		frames = appendFrame(frames, &s.out.queue[i])
		n += s.out.queue[i].size()
	}
	*buffer = frames
	asked := s.heard
	s.out.bytes -= n // this does not wait for the client: see writingLocked
	clear(s.out.queue)
	if s.out.queue = s.out.queue[:0]; cap(s.out.queue) > 4 {
		s.out.queue = nil
	}
	s.mu.Unlock()
	result, err := ws.out.try(frames)
	if err != nil {
		s.lost(ws, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if result != written {
		s.out.bytes += n
		if s.heard != asked { // asked meanwhile, which such a client cannot be: see Alive
			s.answerAliveLocked()
		}
		var rest []byte
		if result == busy {
			rest = bytes.Clone(frames)
		}
		s.server.run(s, "writer", func() { s.writeRest(ws, rest, n) })
		return
	}
	s.link.writing = false
	s.wakeLocked() // for what came meanwhile
}

// writeDeadline is that of a write that begins now.
func (e *Server) writeDeadline() time.Time { return time.Now().Add(e.config.WriteTimeout) }

// writeRest writes what a client did not take at once, and goes on. rest is what is not in
// the connection's buffer yet, and n the size of the messages.
func (s *Session) writeRest(ws *wsConn, rest []byte, n int) {
	deadline := s.server.writeDeadline()
	ws.out.cork()
	_ = ws.out.SetWriteDeadline(deadline)
	_, err := ws.out.Write(rest)
	if err == nil {
		err = ws.out.uncork(deadline)
	}
	s.mu.Lock()
	s.out.bytes -= n
	s.mu.Unlock()
	if err != nil {
		s.lost(ws, err)
		return
	}
	s.writeLoop(ws)
}

// plain reports whether messages can be written without the websocket's writer: texts that
// are not compressed, and pings.
func (c *wsConn) plain(batch []message) bool {
	for i := range batch {
		m := &batch[i]
		if len(m.attachments) > 0 || c.compressFrom > 0 && len(m.text) >= c.compressFrom {
			return false
		}
	}
	return true
}

// appendFrame appends the frame of a text of at most maxHeld bytes, or a ping, as a server
// sends it: whole and without a mask (RFC 6455, section 5.2).
func appendFrame(b []byte, m *message) []byte {
	const final = 0x80
	n := len(m.text)
	switch {
	case m.text == nil:
		return append(b, final|websocket.PingMessage, 0)
	case n <= 125:
		b = append(b, final|websocket.TextMessage, byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, final|websocket.TextMessage, 126), uint16(n))
	}
	return append(b, m.text...)
}
