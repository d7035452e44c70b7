package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// perAddress is how many sockets come from one loopback address. A port of the client's
// is used once for each address, and the kernel's search for a free one takes longer than
// all else if most of them are taken.
const perAddress = 2000

// swarm is a number of websockets that are open at the same time. Each has one
// goroutine, which reads; what it reads is counted.
type swarm struct {
	members    []*member
	reading    sync.WaitGroup
	deliveries atomic.Int64 // events called "news"
	acks       atomic.Int64
	gone       atomic.Int64 // members whose connection has ended
	stopPings  context.CancelFunc
}

// member is one socket of a swarm.
type member struct {
	conn    *connection
	writing sync.Mutex   // one writer at a time: the reader answers pings
	left    atomic.Int64 // events that it has yet to send, one after another's acknowledgement
}

// dialFrom dials from the loopback address of the i-th socket.
func dialFrom(i int) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/perAddress))}, Timeout: patience}
	return d.DialContext
}

// from returns the client of the i-th socket.
func (c client) from(i int) client {
	if c.dial == nil {
		c.dial = dialFrom(i)
	}
	return c
}

// gather opens n sockets, so many at a time.
func gather(c client, n, width int, token func(i int) string) (*swarm, error) {
	s := &swarm{members: make([]*member, n)}
	err := lanes(n, width, func(i int) error {
		conn, err := c.from(i).open(token(i), false)
		for again := 0; err != nil && again < 3; again++ {
			// On a busy machine a server's deadline may end a connection; clients come back.
			conn, err = c.from(i).open(token(i), false)
		}
		if err != nil {
			return fmt.Errorf("socket %d of %d: %w", i, n, err)
		}
		m := &member{conn: conn}
		s.members[i] = m
		_ = conn.SetReadDeadline(time.Time{})
		s.reading.Go(func() { s.read(m) })
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	s.stopPings = cancel
	if err != nil {
		s.scatter()
		return nil, err
	}
	if c.eio == 3 {
		s.reading.Go(func() { s.ping(ctx, cmp.Or(c.ping, 20*time.Second)) })
	}
	return s, nil
}

// ping sends what clients of Engine.IO 3 send while nothing else happens.
func (s *swarm) ping(ctx context.Context, every time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		for _, m := range s.members {
			m.write("2") // one that has gone is counted by its reader
		}
	}
}

func (m *member) write(packet string) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.conn.write(packet)
}

// read counts what a member is sent, until its connection ends.
func (s *swarm) read(m *member) {
	defer s.gone.Add(1)
	for {
		_, b, err := m.conn.ReadMessage()
		switch {
		case err != nil:
			return
		case len(b) == 1 && b[0] == '2' && m.conn.eio == 4:
			err = m.write("3")
		case bytes.HasPrefix(b, []byte("41")): // a client without a namespace closes its connection
			m.writing.Lock()
			m.conn.leave()
			m.writing.Unlock()
			return
		case bytes.HasPrefix(b, []byte(`42["news"`)):
			s.deliveries.Add(1)
		case bytes.HasPrefix(b, []byte("43")):
			s.acks.Add(1)
			if m.left.Add(-1) > 0 {
				err = m.write(echo)
			}
		}
		if err != nil {
			return
		}
	}
}

// echo is an event that the server acknowledges.
const echo = `427["echo","a text of some forty characters, more or less"]`

// exchange has the first members send events in turn, each the next one when the
// last is acknowledged, and waits for all acknowledgements.
func (s *swarm) exchange(senders, each int) error {
	want := s.acks.Load() + int64(senders*each)
	for _, m := range s.members[:senders] {
		m.left.Store(int64(each))
		if err := m.write(echo); err != nil {
			return err
		}
	}
	return await("acknowledgements", s.acks.Load, want)
}

// join puts the first members into the room "crowd".
func (s *swarm) join(n int) error {
	want := s.acks.Load() + int64(n)
	for _, m := range s.members[:n] {
		m.left.Store(1)
		if err := m.write(`428["join"]`); err != nil {
			return err
		}
	}
	return await("acknowledgements of join", s.acks.Load, want)
}

// await waits until a counter gets to so much.
func await(what string, counter func() int64, want int64) error {
	for end := time.Now().Add(4 * patience); counter() < want; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%d %s, expected %d", counter(), what, want)
		}
	}
	return nil
}

// scatter has all members leave at once, and waits for their readers.
func (s *swarm) scatter() {
	s.stopPings()
	_ = lanes(len(s.members), 200, func(i int) error {
		if m := s.members[i]; m != nil {
			m.conn.leave()
		}
		return nil
	})
	s.reading.Wait()
}

// knock opens n connections that ask for no namespace, and returns what closes
// them. Clients of Engine.IO 3 are in the root without asking: there is no such
// connection of theirs.
func knock(who client, n, width int) (leave func(), err error) {
	conns := make([]*websocket.Conn, n)
	leave = func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	query := url.Values{"EIO": {strconv.Itoa(4)}, "transport": {"websocket"}}
	target := "ws" + strings.TrimPrefix(who.url, "http") + "/socket.io/?" + query.Encode()
	err = lanes(n, width, func(i int) error {
		d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512, HandshakeTimeout: patience, NetDialContext: who.from(i).dial}
		c, _, err := d.Dial(target, nil)
		if err != nil {
			return err
		}
		conns[i] = c
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, b, err := c.ReadMessage(); err != nil || len(b) == 0 || b[0] != '0' {
			return errors.Join(fmt.Errorf("expected OPEN, got %.100q", b), err)
		}
		return nil
	})
	return leave, err
}
