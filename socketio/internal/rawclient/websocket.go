package rawclient

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Websocket is a websocket of a session: its first connection, or one that asks
// to replace polling.
type Websocket struct {
	*websocket.Conn
	raw bool // binary frames have no type: Engine.IO 4
}

// Dial opens a websocket. Without a SID it is a handshake.
func (s *Session) Dial(ctx context.Context) (*Websocket, *http.Response, error) {
	d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512}
	if s.HTTP != nil {
		if t, ok := s.HTTP.Transport.(*http.Transport); ok && t.DialContext != nil {
			d.NetDialContext = t.DialContext
		}
	}
	c, res, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+"/socket.io/?"+s.query("websocket"), s.Header)
	if err != nil {
		return nil, res, err
	}
	return &Websocket{c, s.EIO == "4"}, res, nil
}

// ReadOpen reads the OPEN packet of a new session and sets its SID.
func (s *Session) ReadOpen(w *Websocket) error {
	p, err := w.Read()
	if err == nil {
		s.SID, err = sid(p)
	}
	return err
}

// Read returns the next packet, with its type; an attachment as base64 behind
// "b4".
func (w *Websocket) Read() (string, error) {
	kind, b, err := w.ReadMessage()
	if err != nil {
		return "", err
	}
	if kind == websocket.BinaryMessage {
		if len(b) > 0 && !w.raw {
			b = b[1:]
		}
		return "b4" + base64.StdEncoding.EncodeToString(b), nil
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

// Write sends a packet, with its type.
func (w *Websocket) Write(packet string) error {
	return w.WriteMessage(websocket.TextMessage, []byte(packet))
}

// Probe asks for the upgrade and, when it is answered, completes it.
func (w *Websocket) Probe() error {
	if err := w.Write("2probe"); err != nil {
		return err
	}
	if _, err := w.Read(); err != nil {
		return err
	}
	return w.Write("5")
}

// Pipe is a network in memory, for tests in the time of testing/synctest.
type Pipe struct {
	conns chan net.Conn
	done  chan struct{}
}

// NewPipe makes a network with one listener, which is the pipe itself.
func NewPipe() *Pipe { return &Pipe{make(chan net.Conn), make(chan struct{})} }

// Accept waits for a connection.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (p *Pipe) Close() error { close(p.done); return nil }

// Addr is the listener's address.
func (p *Pipe) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:1" }

// DialContext connects to the listener, whatever the address.
func (p *Pipe) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Client makes requests over the pipe.
func (p *Pipe) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.DialContext, DisableCompression: true, IdleConnTimeout: time.Minute}}
}
