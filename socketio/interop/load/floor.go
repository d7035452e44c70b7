package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// floor is what of an open socket no server in Go is spared: it reads each message and
// writes each answer and each broadcast with one system call, and does nothing else. It
// verifies nothing, keeps no deadline, and never pings.
type floor struct {
	mu    sync.Mutex // guards the rest
	conns map[net.Conn]bool
	crowd map[net.Conn]bool
}

func serveFloor(setup) (*app, error) {
	f := &floor{conns: make(map[net.Conn]bool), crowd: make(map[net.Conn]bool)}
	return &app{Handler: f, sessions: f.count, broadcast: f.broadcast, revoke: nobody, close: func() error { return nil }}, nil
}

func (f *floor) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

// framed is a text as a server frames it: of less than 64 KiB, without a mask.
func framed(text string) []byte {
	n := len(text)
	if n <= 125 {
		return append([]byte{0x81, byte(n)}, text...)
	}
	return append([]byte{0x81, 126, byte(n >> 8), byte(n)}, text...)
}

func (f *floor) broadcast(crowd bool) {
	frame := framed(`42["news","` + news + `"]`)
	f.mu.Lock()
	defer f.mu.Unlock()
	to := f.conns
	if crowd {
		to = f.crowd
	}
	for conn := range to {
		_, _ = conn.Write(frame) // one that has gone is removed by its reader
	}
}

// ServeHTTP serves one websocket.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + guid))
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	words := framed(`0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
	if r.URL.Query().Get("EIO") == "3" {
		words = append(words, framed("40")...)
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
		base64.StdEncoding.EncodeToString(key[:]), words)
	f.mu.Lock()
	f.conns[conn] = true
	f.mu.Unlock()
	go f.read(conn, buffers.Reader) // net/http keeps more for a handler that runs
}

// read answers a client's messages until it leaves.
func (f *floor) read(conn net.Conn, from *bufio.Reader) {
	defer func() {
		f.mu.Lock()
		delete(f.conns, conn)
		delete(f.crowd, conn)
		f.mu.Unlock()
		conn.Close()
	}()
	for {
		opcode, text, err := readMasked(from)
		switch {
		case err != nil || opcode == 8:
			return
		case bytes.HasPrefix(text, []byte("40")):
			_, err = conn.Write(framed(`40{"sid":"floor"}`))
		case bytes.HasPrefix(text, []byte("42")):
			id, _, _ := bytes.Cut(text[2:], []byte("["))
			if bytes.Contains(text, []byte(`["join"`)) {
				f.mu.Lock()
				f.crowd[conn] = true
				f.mu.Unlock()
			}
			_, err = conn.Write(framed("43" + string(id) + `["ok"]`))
		}
		if err != nil {
			return
		}
	}
}

// readMasked reads a client's frame of less than 64 KiB.
func readMasked(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	opcode = head[0] & 15
	n := int(head[1] & 127)
	if n == 126 {
		if _, err := io.ReadFull(r, head[:2]); err != nil {
			return 0, nil, err
		}
		n = int(head[0])<<8 | int(head[1])
	}
	mask := head[4:8]
	if _, err := io.ReadFull(r, mask); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return opcode, payload, err
}
