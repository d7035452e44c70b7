package engine

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// link is the transport of a session.
type link struct {
	polling   bool    // the handshake came by polling: an upgrade is possible
	poll      *poller // the poll that hangs, if any
	ws        *wsConn // the websocket, once there is one
	candidate *wsConn // a websocket that may replace polling
	upgrading bool    // the candidate's probe was answered
	writing   bool    // a goroutine writes to ws
	later     bool    // the queue is written by the goroutine that delivers a packet
}

// poller is a poll that waits for something to carry.
type poller struct {
	wake chan struct{}
	idle bool // it has waited for noopDelay during an upgrade; guarded by the session
}

// noopDelay is how long a poll waits for data during an upgrade before it brings
// NOOP. The client changes over when its poll has returned; until then a poll that
// returned at once would be followed by the next one at once.
const noopDelay = 100 * time.Millisecond

// wakeLocked wakes the goroutine that writes to the client.
func (s *Session) wakeLocked() {
	l := &s.link
	if ws := l.ws; ws != nil {
		if !l.writing && !l.later && (len(s.out.queue) > 0 || s.final) {
			l.writing = true
			if ws.out.direct.able() && !s.final {
				s.flushLocked()
			} else {
				s.server.run(s, "writer", func() { s.writeLoop(ws) })
			}
		}
		return
	}
	if l.poll != nil {
		select {
		case l.poll.wake <- struct{}{}:
		default: // already told
		}
	}
}

// pollAnswer is what a poll carries back.
type pollAnswer struct {
	batch []message
	final bool // the session's last
}

// answerLocked returns the answer to p, if it is due. During an upgrade data still leaves
// by polling, since the probe's answer may never reach the client. A poll without data
// returns NOOP: the client waits for its poll before it changes to the websocket. The last
// messages of a session that ends are kept for the websocket. CLOSE comes by itself: in one
// answer with an event, a client 4.x would take it first, and keep the event until it has
// connected again. A session that is brief has no time for that.
func (s *Session) answerLocked(p *poller) (pollAnswer, bool) {
	noop := pollAnswer{batch: []message{{text: []byte{typeNoop}}}}
	switch {
	case s.link.poll != p || s.link.ws != nil:
		return noop, true
	case s.cutOff:
		return pollAnswer{batch: []message{{text: []byte{typeClose}}}}, true
	case s.link.upgrading && (s.final || len(s.out.queue) == 0):
		return noop, p.idle
	case len(s.out.queue) > 0 && !s.brief:
		return pollAnswer{batch: s.takeLocked()}, true
	case s.final:
		return pollAnswer{batch: append(s.takeLocked(), message{text: []byte{typeClose}}), final: true}, true
	}
	return pollAnswer{}, false
}

// servePoll answers a GET when there is something for the client. The later of
// two polls takes over: a proxy that repeats a request must not end the session.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	// The http.Server's timeouts would end a poll that waits. The one for reading
	// would even look like the loss of the client.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	p := &poller{wake: make(chan struct{}, 1)}
	s.mu.Lock()
	if s.link.ws != nil || s.cutOff {
		s.mu.Unlock()
		writeError(w, errBadRequest)
		return
	}
	old := s.link.poll
	s.link.poll = p
	if old != nil {
		close(old.wake)
	}
	for {
		a, ok := s.answerLocked(p)
		if ok {
			current := s.link.poll == p
			if current {
				s.link.poll = nil
			}
			s.mu.Unlock()
			s.finishPoll(w, r, a)
			return
		}
		var delay <-chan time.Time
		if s.link.upgrading {
			delay = time.After(noopDelay)
		}
		s.mu.Unlock()
		select {
		case <-p.wake:
			s.mu.Lock()
		case <-delay:
			s.mu.Lock()
			p.idle = true
		case <-r.Context().Done():
			s.mu.Lock()
			if s.link.poll == p {
				// The client is gone: it never gives up a poll otherwise.
				s.link.poll = nil
				s.endLocked(end{reason: "transport close", keep: true})
				s.cutLocked()
			}
			s.mu.Unlock()
			return
		}
	}
}

func (s *Session) finishPoll(w http.ResponseWriter, r *http.Request, a pollAnswer) {
	err := s.server.writePoll(w, r, s.dialect, a.batch, s.base64)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wroteLocked(a.batch)
	if err != nil {
		s.endLocked(end{reason: "transport error", keep: true})
	}
	if err != nil || a.final {
		s.cutLocked()
	}
}

// writePoll writes the answer to a poll, and waits until it is in flight.
func (e *Server) writePoll(w http.ResponseWriter, r *http.Request, d *dialect, batch []message, b64 bool) error {
	j := ""
	if d.jsonp {
		j = r.URL.Query().Get("j")
	}
	body, binary := d.encode(nil, batch, b64 || j != "")
	contentType := "text/plain; charset=UTF-8"
	switch {
	case j != "":
		// The index is a number (see serve), and the payload becomes a string
		// that HTML does not change either.
		quoted, _ := json.Marshal(string(body)) // ASCII: it cannot fail
		body = append(append([]byte("___eio["+j+"]("), quoted...), ");"...)
		contentType = "text/javascript; charset=UTF-8"
	case binary:
		contentType = "application/octet-stream"
	}
	if from := e.config.CompressPollsFrom; from > 0 && len(body) >= from && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = gzipped(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(e.config.WriteTimeout))
	_, err := w.Write(body)
	// Flushed here so that the deadline covers it, and ends with it: the
	// connection may serve others after us.
	if flushErr := rc.Flush(); !errors.Is(flushErr, http.ErrNotSupported) {
		err = errors.Join(err, flushErr)
	}
	_ = rc.SetWriteDeadline(time.Time{})
	return err
}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// servePost handles what the client sends by polling, also during an upgrade. It answers
// when there is room in the queue for the library, which slows the client down.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.established()
	if !s.beginPost() {
		s.fail("too many POSTs at once")
		w.Header().Set("Connection", "close")
		writeError(w, errBadRequest)
		return
	}
	defer s.endPost()
	body, binary, err := readBody(w, r, s.limit())
	if errors.Is(err, errTooLarge) && s.receiveTooLarge(w, r, body) {
		writeOK(w)
		return
	}
	if err != nil {
		w.Header().Set("Connection", "close") // there may be more of it
		if errors.Is(err, errTooLarge) {
			s.fail("a POST is too large")
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
			return
		}
		s.server.config.Logger.Debug("engine: a POST could not be read", "error", err, "remote", r.RemoteAddr)
		writeError(w, errBadRequest)
		return
	}
	frames, err := s.dialect.decode(body, binary, &s.text)
	if err != nil {
		s.fail("malformed payload: " + err.Error())
		writeError(w, errBadRequest)
		return
	}
	s.receive(frames...)
	writeOK(w)
}

// receiveTooLarge handles a POST that is too large if its first packet presents a token:
// the client gets an answer, that the token is too long.
func (s *Session) receiveTooLarge(w http.ResponseWriter, r *http.Request, body []byte) bool {
	f := frame{kind: typeTooLarge, data: s.dialect.firstPacket(body)}
	rest := int64(s.server.config.MaxMessage)
	if !s.mayBeTooLarge(f) || r.ContentLength > rest {
		return false
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, rest)); err != nil || n == rest {
		return false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	s.receive(f)
	return true
}

// maxPosts is the number of POSTs of one session that may be in progress. A client has one
// at a time; a proxy may repeat it.
const maxPosts = 4

func (s *Session) beginPost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posts == maxPosts {
		return false
	}
	s.posts++
	return true
}

func (s *Session) endPost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts--
}

// fail ends a session whose client broke the protocol.
func (s *Session) fail(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(end{reason: reason, keep: true})
	s.cutPollingLocked()
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html") // an iframe loads it, with JSONP
	_, _ = io.WriteString(w, "ok")
}

var errTooLarge = errors.New("the body is too large")

// readBody reads a POST's payload, and tells whether it is a binary one. Without
// an error it lifts the deadline that [Server.ServeHTTP] set. Of a text that is too
// large it returns the beginning.
func readBody(w http.ResponseWriter, r *http.Request, limit int) (body []byte, binary bool, err error) {
	kind := "text/plain"
	if h := r.Header.Get("Content-Type"); h != "" {
		if kind, _, err = mime.ParseMediaType(h); err != nil {
			return nil, false, err
		}
	}
	if body, err = readLimited(r.Body, limit); err != nil {
		if kind != "text/plain" {
			body = nil
		}
		return body, false, err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	switch kind {
	case "application/octet-stream":
		return body, true, nil
	case "text/plain":
		return body, false, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, false, err
		}
		return unescapeForm(form.Get("d")), false, nil
	}
	return nil, false, errors.New("expected a content type of text/plain, application/octet-stream or a form")
}

// readLimited reads all of r, or fails with errTooLarge and returns the beginning.
func readLimited(r io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = errTooLarge
	}
	return b, err
}

// unescapeForm undoes what a JSONP client does to get line ends through a form:
// it writes a line end as \n, and a \n as \\n.
func unescapeForm(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case len(s)-i >= 3 && s[i:i+3] == `\\n`:
			b = append(b, `\n`...)
			i += 2
		case len(s)-i >= 2 && s[i:i+2] == `\n`:
			b = append(b, '\n')
			i++
		default:
			b = append(b, s[i])
		}
	}
	return b
}

// firstPacket returns the first packet of the beginning of a payload.
func (d *dialect) firstPacket(body []byte) []byte {
	if _, packet, ok := bytes.Cut(body, []byte(":")); ok && d.entersRoot {
		return packet
	}
	return body
}

// isClose tells whether a payload is just a client's CLOSE packet.
func (d *dialect) isClose(body []byte) bool {
	return string(body) == d.closeBody || d.entersRoot && bytes.Equal(body, []byte{0, 1, 255, '1'})
}
