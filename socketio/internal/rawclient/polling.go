package rawclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Session is a client's side of an Engine.IO session.
type Session struct {
	URL    string       // of the server, without a path
	HTTP   *http.Client // nil for the default one
	Query  url.Values   // of every request, besides EIO, transport and sid
	Header http.Header  // of every request
	EIO    string       // the revision of Engine.IO, "3" by default
	SID    string       // set by the first Get, or by ReadOpen of a websocket
}

// Reply is the answer to a request.
type Reply struct {
	Status  int
	Header  http.Header
	Body    string
	Packets []string // of a poll: each with its type, an attachment as base64 behind "b4"
}

func (s *Session) query(transport string) string {
	q := url.Values{"EIO": {"3"}, "transport": {transport}}
	if s.EIO != "" {
		q.Set("EIO", s.EIO)
	}
	for k, v := range s.Query {
		q[k] = v
	}
	if s.SID != "" {
		q.Set("sid", s.SID)
	}
	return q.Encode()
}

// Do makes a request by polling, with any method and body.
func (s *Session) Do(ctx context.Context, method, contentType string, body io.Reader) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/socket.io/?"+s.query("polling"), body)
	if err != nil {
		return Reply{}, err
	}
	for k, v := range s.Header {
		req.Header[k] = v
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := s.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return Reply{Status: res.StatusCode, Header: res.Header, Body: string(b)}, err
}

// Get polls once. The first is the handshake.
func (s *Session) Get(ctx context.Context) (Reply, error) {
	r, err := s.Do(ctx, http.MethodGet, "", nil)
	if err != nil || r.Status != http.StatusOK {
		return r, err
	}
	if s.EIO == "4" {
		r.Packets = strings.Split(r.Body, "\x1e")
	} else if r.Packets, err = Decode(r.Body); err != nil {
		return r, err
	}
	if s.SID == "" && len(r.Packets) > 0 {
		s.SID, err = sid(r.Packets[0])
	}
	return r, err
}

// Post sends packets, each with its type.
func (s *Session) Post(ctx context.Context, packets ...string) (Reply, error) {
	body := Encode(packets...)
	if s.EIO == "4" {
		body = strings.Join(packets, "\x1e")
	}
	return s.Do(ctx, http.MethodPost, "text/plain;charset=UTF-8", strings.NewReader(body))
}

// sid reads the session's id from OPEN.
func sid(packet string) (string, error) {
	var open struct{ SID string }
	if !strings.HasPrefix(packet, "0") || json.Unmarshal([]byte(packet[1:]), &open) != nil {
		return "", fmt.Errorf("rawclient: %q is not an OPEN packet", packet)
	}
	return open.SID, nil
}

// Encode makes a payload, as a client 2.x does: lengths are in UTF-16 units.
func Encode(packets ...string) string {
	var b strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&b, "%d:%s", len(utf16.Encode([]rune(p))), p)
	}
	return b.String()
}

// Decode reads a payload in text, which a server of ours writes in ASCII.
func Decode(payload string) ([]string, error) {
	var packets []string
	for payload != "" {
		length, rest, _ := strings.Cut(payload, ":")
		n, err := strconv.Atoi(length)
		if err != nil || n > len(rest) {
			return packets, errors.New("rawclient: a malformed payload")
		}
		packets, payload = append(packets, rest[:n]), rest[n:]
	}
	return packets, nil
}
