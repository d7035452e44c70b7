package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	eioframe "github.com/googollee/go-socket.io/engineio/frame"
	eiopacket "github.com/googollee/go-socket.io/engineio/packet"
	eiotransport "github.com/googollee/go-socket.io/engineio/transport"
)

// libraryTransport is what go-socket.io takes for a transport. Its Accept finds
// the session that our handler put into the request's context.
type libraryTransport struct{ name string }

func (t libraryTransport) Name() string { return t.name }

func (t libraryTransport) Accept(_ http.ResponseWriter, r *http.Request) (eiotransport.Conn, error) {
	h, ok := r.Context().Value(handshakeKey{}).(*handshake)
	if !ok {
		return nil, errors.New("engine: the request did not come through the engine's handler")
	}
	h.accepted = true
	return libraryConn{h.session}, nil
}

func (t libraryTransport) Dial(*url.URL, http.Header) (eiotransport.Conn, error) {
	return nil, errors.New("engine: this transport is for servers only")
}

// libraryConn is the one connection that go-socket.io sees of a session. It
// stays the same across an upgrade.
type libraryConn struct{ s *Session }

func (c libraryConn) NextReader() (eioframe.Type, eiopacket.Type, io.ReadCloser, error) {
	text, ok := c.s.pop()
	if !ok {
		return 0, 0, nil, io.EOF
	}
	r := new(libraryReader)
	r.Reset(text)
	return eioframe.String, eiopacket.MESSAGE, r, nil
}

func (c libraryConn) NextWriter(t eioframe.Type, p eiopacket.Type) (io.WriteCloser, error) {
	return &libraryWriter{s: c.s, binary: t == eioframe.Binary, kind: p, b: make([]byte, 1, 64)}, nil
}

func (c libraryConn) Close() error {
	c.s.libraryClosed()
	return nil
}

func (c libraryConn) URL() url.URL              { return *c.s.request.URL }
func (c libraryConn) RemoteHeader() http.Header { return c.s.request.Header }
func (c libraryConn) RemoteAddr() net.Addr      { return addr(c.s.request.RemoteAddr) }

func (c libraryConn) LocalAddr() net.Addr {
	if a, ok := c.s.request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return addr(c.s.request.Host)
}

// Deadlines are the session's own affair: the library would have it end a
// minute after a ping, whatever the client does.
func (c libraryConn) SetReadDeadline(time.Time) error  { return nil }
func (c libraryConn) SetWriteDeadline(time.Time) error { return nil }

type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

// libraryReader reads by bytes, which spares the library's parser a buffer of
// 4 KB for every packet. Closing it does nothing: the library forgets to.
type libraryReader struct{ bytes.Reader }

func (*libraryReader) Close() error { return nil }

// libraryWriter collects one frame, for the same reason byte by byte.
type libraryWriter struct {
	s      *Session
	binary bool
	kind   eiopacket.Type
	b      []byte // the first byte is for the frame's type
}

func (w *libraryWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (w *libraryWriter) WriteByte(b byte) error {
	w.b = append(w.b, b)
	return nil
}

func (w *libraryWriter) Close() error {
	b := w.b
	w.b = nil
	switch {
	case len(b) == 0: // closed before
	case w.kind == eiopacket.OPEN:
		w.s.libraryOpened(b[1:])
	case w.kind == eiopacket.MESSAGE && (w.binary || len(b) > 1):
		w.s.fromLibrary(b, w.binary)
	}
	return nil
}
