package engine

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
)

// TestTooLargeTokens: a client that posts too long a token is told, and keeps its
// connection. A POST that is larger than MaxMessage ends it.
func TestTooLargeTokens(t *testing.T) {
	const most, first = 4000, 1000
	type row struct {
		eio, begin string
		size       int
		chunked    bool // of unknown length
		want       string
	}
	const event3, event4, connect, other = `:42["authenticate","`, `42["authenticate",":`, `40{"token":":`, `42["other",":`
	const told, ended = "too large a token in /", "closed: a POST is too large"
	var rows []row
	for _, begin := range []struct{ eio, begin, want string }{
		{"3", event3, told}, {"4", event4, told}, {"4", connect, "too large a token in CONNECT"},
	} {
		rows = append(rows,
			row{begin.eio, begin.begin, first + 1, false, begin.want},
			row{begin.eio, begin.begin, most, false, begin.want},
			row{begin.eio, begin.begin, most + 1, false, ended},
			row{begin.eio, begin.begin, first + most, true, begin.want}, // a byte more than the limit was read
			row{begin.eio, begin.begin, first + most + 1, true, ended},
		)
	}
	rows = append(rows, row{"4", other, first + 1, false, ended}, row{"3", ":" + other, first + 1, false, ended})
	for _, test := range rows {
		inWorld(t, func(w *world, c *Config, h *hooks) {
			c.MaxMessage, c.MaxUnauthenticated = most, first
			h.Decide = func(_ context.Context, a *Arrival) Verdict {
				if a.TooLarge {
					w.note("too large a token in CONNECT")
				}
				return Admit(Pending, nil)
			}
		}, func(w *world) {
			c := w.client()
			c.EIO = test.eio
			if _, err := c.Get(w.Context()); err != nil {
				t.Fatal(err)
			}
			if test.begin == event4 {
				w.post(c, http.StatusOK, "40")
			}
			w.forget()
			body := append([]byte(test.begin), bytes.Repeat([]byte("x"), test.size-len(test.begin))...)
			var r io.Reader = bytes.NewReader(body)
			if test.chunked {
				r = io.MultiReader(r)
			}
			status := http.StatusOK
			if test.want == ended {
				status = http.StatusRequestEntityTooLarge
			}
			reply, err := c.Do(w.Context(), http.MethodPost, "text/plain", r)
			if got := w.noted(); err != nil || reply.Status != status || !slices.Contains(got, test.want) {
				t.Errorf("Engine.IO %s, %.20q, %d bytes, chunked %v: got %d, %v, %q", test.eio, test.begin, test.size, test.chunked, reply.Status, err, got)
			}
		})
	}
}
