package jsclient

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Storm runs N clients, Concurrency at a time, each from opening to closing,
// inside the driver's process. The zero value of what is optional is a client
// that connects and closes.
type Storm struct {
	Options // of every client; OnConnect does not apply

	N           int
	Concurrency int

	// Tokens are given to the clients in turn: in an "authenticate" event
	// emitted inside the connect handler if Authenticate is set, otherwise where
	// TokenIn says: "query", "header", "cookie" (of the name Cookie),
	// "namespace" (the query of the CONNECT packet) or "auth".
	Tokens       []string
	Authenticate bool
	TokenIn      string
	Cookie       string

	// Refused expects every client to be refused: with an error before any
	// connect, or with "unauthorized" if Authenticate is set, which the client
	// acknowledges; then to be disconnected by the server for good.
	Refused bool

	// RoundTrip is an event that every admitted client emits with a number, and
	// that the server must acknowledge with the same number.
	RoundTrip string

	// Traffic is exchanged by every admitted client while it upgrades.
	Traffic *Traffic

	// Hold keeps admitted clients open in a group of that name until
	// [Driver.Release].
	Hold string

	// KeepAlive lets the clients' HTTP requests share connections, which spares
	// the machine's ports in long storms. Each client counts as failed if it is
	// not done within Timeout, 20 s by default.
	KeepAlive bool
	Timeout   time.Duration
}

// Traffic is what [Storm] exchanges to see that nothing is lost or reordered:
// the client emits Start with the number of events it wants; the server answers
// with that many events Down, numbered from 0 in their first argument.
// Meanwhile the client emits Ups events Up, numbered likewise, one each Gap,
// and the server acknowledges each with its number.
type Traffic struct {
	Start, Down, Up string
	Downs, Ups      int
	Gap             time.Duration
}

// StormResult counts the clients of a storm by their outcome.
type StormResult struct {
	OK         int
	Failures   map[string]int // by reason
	Samples    []StormSample  // the first failures
	Transports map[string]int // what each ended on: "websocket", "polling", "none"
	Payloads   map[string]int // the refusals received, as JSON
	Overlapped int            // clients whose upgrade fell inside their traffic

	Elapsed       time.Duration
	P50, P99, Max time.Duration // from opening to success
}

// StormSample is one failure of a storm.
type StormSample struct {
	Index     int
	Reason    string
	Stage     string
	Transport string
}

// String is one line for a test's log.
func (r StormResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ok, transports %v", r.OK, r.Transports)
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(&b, ", %d× %s", r.Failures[reason], reason)
	}
	fmt.Fprintf(&b, "; p50 %s, p99 %s, max %s, in all %s", r.P50, r.P99, r.Max, r.Elapsed)
	return b.String()
}

// Failed is the number of clients that failed.
func (r StormResult) Failed() int {
	n := 0
	for _, count := range r.Failures {
		n += count
	}
	return n
}

// Storm runs a storm. Failures are counted, not reported to t: a test asserts
// on the result.
func (d *Driver) Storm(t testing.TB, s Storm) StormResult {
	t.Helper()
	if s.Timeout == 0 {
		s.Timeout = 20 * time.Second
	}
	if s.Concurrency == 0 {
		s.Concurrency = 1
	}
	command := s.command()
	delete(command, "onConnect")
	maps.Copy(command, map[string]any{
		"cmd": "storm", "n": s.N, "concurrency": s.Concurrency,
		"tokens": s.Tokens, "authenticate": s.Authenticate, "tokenIn": s.TokenIn, "cookie": s.Cookie,
		"roundTrip": s.RoundTrip, "hold": s.Hold, "keepAlive": s.KeepAlive,
		"timeout": s.Timeout.Milliseconds(),
	})
	if s.Refused {
		command["mode"] = "refused"
	}
	if tr := s.Traffic; tr != nil {
		command["traffic"] = map[string]any{
			"start": tr.Start, "down": tr.Down, "up": tr.Up,
			"downs": tr.Downs, "ups": tr.Ups, "gap": tr.Gap.Milliseconds(),
		}
	}
	// Every client ends by its own timeout, so this bound is never what ends a
	// storm of a process that works.
	limit := Deadline + time.Duration(s.N/s.Concurrency+1)*(s.Timeout+5*time.Second)
	result, err := d.call(command, limit)
	if err != nil {
		t.Fatalf("storm: %v", err)
	}
	var raw struct {
		StormResult
		MS  float64 `json:"ms"`
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
		Max float64 `json:"max"`
	}
	if err := json.Unmarshal(result, &raw); err != nil {
		t.Fatalf("storm: %v", err)
	}
	r := raw.StormResult
	r.Elapsed, r.P50, r.P99, r.Max = millis(raw.MS), millis(raw.P50), millis(raw.P99), millis(raw.Max)
	return r
}

// Release closes the clients that storms hold in a group and returns their
// number.
func (d *Driver) Release(t testing.TB, group string) int {
	t.Helper()
	var n int
	d.must(t, map[string]any{"cmd": "release", "group": group}, Deadline, &n)
	return n
}

func millis(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Round(100 * time.Microsecond)
}
