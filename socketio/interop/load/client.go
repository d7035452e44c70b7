package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// client is how sockets are opened: which revision of Engine.IO, over what, and
// where the token is.
type client struct {
	url     string
	eio     int    // 3 or 4
	upgrade bool   // begin with polling, as clients do by default
	in      string // "event", "query" or "auth"; "" presents nothing

	ping time.Duration                                                        // of Engine.IO 3, while nothing else happens; 0 is 20 s
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil is the default
}

// patience bounds every wait for a server.
const patience = 30 * time.Second

// polls are made over few connections, as a browser's are.
var polls = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}

// connection is a socket that was accepted. It is for one goroutine.
type connection struct {
	*websocket.Conn
	eio   int
	heard string // the last packet
}

// errRefused says that the server refused a socket, by telling so or by ending the
// connection.
var errRefused = errors.New("refused")

// open opens a socket and authenticates, or returns errRefused. It waits for a
// refusal where one is expected, since servers with a hand-written check greet
// everybody first.
func (c client) open(token string, expectRefusal bool) (*connection, error) {
	query := url.Values{"EIO": {strconv.Itoa(c.eio)}}
	if c.in == "query" {
		query.Set("token", token)
	}
	connect := "40"
	if c.in == "auth" {
		connect += object(token)
	}
	entered := false
	if c.upgrade {
		var err error
		if entered, err = c.poll(query, connect, expectRefusal); err != nil {
			return nil, err
		}
	}
	query.Set("transport", "websocket")
	d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512, HandshakeTimeout: patience, NetDialContext: c.dial}
	conn, _, err := d.Dial("ws"+strings.TrimPrefix(c.url, "http")+"/socket.io/?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	s := &connection{Conn: conn, eio: c.eio}
	if err := s.enter(c, token, connect, entered, expectRefusal); err != nil {
		s.leave()
		return nil, err
	}
	return s, nil
}

// enter says on a new websocket what a client says, until it is accepted or not.
func (s *connection) enter(c client, token, connect string, entered, expectRefusal bool) error {
	authenticate := `42["authenticate",` + object(token) + `]`
	_ = s.SetReadDeadline(time.Now().Add(patience))
	if done, err := s.probed(c, authenticate, entered); done || err != nil {
		return err
	}
	for {
		p, err := s.read()
		if err != nil && expectRefusal {
			return errRefused
		}
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(p, "40") && c.in == "event":
			err = s.write(authenticate)
		case c.acceptedBy(p, expectRefusal):
			return nil
		case isRefusal(p):
			return fmt.Errorf("%w: %s", errRefused, p)
		case isOpen(p) && c.eio == 4:
			err = s.write(connect)
		}
		if err != nil {
			return err
		}
	}
}

// acceptedBy reports whether a packet says that the socket is accepted. A server
// with a hand-written check connects a client of Engine.IO 3 before it refuses it.
func (c client) acceptedBy(packet string, expectRefusal bool) bool {
	return strings.HasPrefix(packet, `42["authenticated"`) || strings.HasPrefix(packet, "40") && (!expectRefusal || c.eio == 4)
}

// probed changes from polling to the websocket, if the client began with that. It
// returns done if there is nothing more to say.
func (s *connection) probed(c client, authenticate string, entered bool) (done bool, err error) {
	if !c.upgrade {
		return false, nil
	}
	if err := s.probe(); err != nil || !entered {
		return false, err
	}
	if c.in != "event" {
		return true, nil
	}
	return false, s.write(authenticate)
}

func isOpen(packet string) bool { return strings.HasPrefix(packet, "0") }

// isRefusal reports whether a packet is CONNECT_ERROR, or "unauthorized", perhaps with
// an acknowledgement's id.
func isRefusal(packet string) bool {
	return strings.HasPrefix(packet, "44") || strings.HasPrefix(packet, "42") && strings.Contains(packet, `["unauthorized"`)
}

// probe changes from polling to the websocket.
func (s *connection) probe() error {
	if err := s.write("2probe"); err != nil {
		return err
	}
	if p, err := s.read(); err != nil || p != "3probe" {
		return fmt.Errorf("the probe was answered %q, %w", p, err)
	}
	return s.write("5")
}

// poll makes the handshake by polling, until the socket is in the root namespace, and
// leaves the session's id in the query.
func (c client) poll(query url.Values, connect string, expectRefusal bool) (entered bool, err error) {
	query.Set("transport", "polling")
	for range 5 { // OPEN, CONNECT, and what a server may say besides
		packets, err := c.ask(http.MethodGet, query, "")
		if err != nil {
			if query.Get("sid") != "" && expectRefusal {
				return false, errRefused
			}
			return false, err
		}
		for _, p := range packets {
			switch {
			case strings.HasPrefix(p, "0"):
				if err := c.opened(query, p[1:], connect); err != nil {
					return false, err
				}
			case strings.HasPrefix(p, "40"):
				entered = true
			case isRefusal(p), p == "1":
				_, _ = c.ask(http.MethodPost, query, encode("1", c.eio)) // CLOSE; it may be too late
				return false, fmt.Errorf("%w: %s", errRefused, packets)
			}
		}
		if entered && (!expectRefusal || c.in == "event") {
			return true, nil
		}
	}
	return false, errors.New("polling: the server did not accept the socket in the root namespace")
}

// opened notes the session's id and asks for the root namespace.
func (c client) opened(query url.Values, handshake, connect string) error {
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(handshake), &open); err != nil {
		return err
	}
	query.Set("sid", open.SID)
	if c.eio == 3 {
		return nil // it is in the root without asking
	}
	_, err := c.ask(http.MethodPost, query, connect)
	return err
}

// ask makes one request of polling, and returns the packets of its answer.
func (c client) ask(method string, query url.Values, body string) ([]string, error) {
	req, err := http.NewRequest(method, c.url+"/socket.io/?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := polls.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("polling: %s was answered %s: %.100s", method, res.Status, text)
	}
	if method == http.MethodPost {
		return nil, nil
	}
	return payload(text, c.eio)
}

// payload splits what a poll brought into packets, which are all ASCII here.
func payload(text []byte, eio int) ([]string, error) {
	var all []string
	if eio == 4 {
		for p := range bytes.SplitSeq(text, []byte{0x1e}) {
			all = append(all, string(p))
		}
		return all, nil
	}
	for len(text) > 0 {
		var digits, rest []byte
		if text[0] < '0' { // the binary form: its digits are bytes, and 255 ends them
			digits, rest, _ = bytes.Cut(text[1:], []byte{255})
			for i := range digits {
				digits[i] += '0'
			}
		} else {
			digits, rest, _ = bytes.Cut(text, []byte{':'})
		}
		n, err := strconv.Atoi(string(digits))
		if err != nil || n < 0 || n > len(rest) {
			return nil, fmt.Errorf("polling: a malformed payload: %.100q", text)
		}
		all, text = append(all, string(rest[:n])), rest[n:]
	}
	return all, nil
}

// encode makes a payload of one packet.
func encode(packet string, eio int) string {
	if eio == 4 {
		return packet
	}
	return strconv.Itoa(len(packet)) + ":" + packet
}

func object(token string) string { return `{"token":"` + token + `"}` }

// read returns the next packet and answers the server's pings.
func (s *connection) read() (string, error) {
	for {
		_, b, err := s.ReadMessage()
		if err != nil {
			return "", err
		}
		p := string(bytes.TrimSuffix(b, []byte("\n")))
		s.heard = p
		if p != "2" || s.eio == 3 {
			return p, nil
		}
		if err := s.write("3"); err != nil {
			return "", err
		}
	}
}

func (s *connection) write(packet string) error {
	_ = s.SetWriteDeadline(time.Now().Add(patience))
	return s.WriteMessage(websocket.TextMessage, []byte(packet))
}

// leave ends the connection as a browser does: with a close frame.
func (s *connection) leave() {
	_ = s.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNoStatusReceived, ""), time.Now().Add(time.Second))
	_ = s.Close()
}

// hold answers pings, and pings where that is the client's part, until ctx ends.
func (s *connection) hold(ctx context.Context, every time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = s.SetReadDeadline(time.Now()) })
	defer stop()
	for {
		wait := time.Now().Add(every)
		if s.eio == 3 {
			if err := s.write("2"); err != nil {
				return err
			}
		}
		_ = s.SetReadDeadline(time.Now().Add(patience + every))
		if ctx.Err() != nil {
			return nil
		}
		if _, err := s.read(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if s.eio == 3 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(wait)):
			}
		}
	}
}
