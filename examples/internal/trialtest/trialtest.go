// Package trialtest tests the demonstrations of the examples.
package trialtest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Server is the server of an example.
type Server interface {
	http.Handler
	Close() error
}

// Case is a run of a demonstration: how many lines it prints for what is as expected and
// what is not, and part of its error, "" for none.
type Case struct {
	OK, Failed int
	Err        string
	Run        func(out io.Writer, url string) error
}

// Demonstrate runs the cases one after another against the server, which it closes.
func Demonstrate(t *testing.T, server Server, cases ...Case) {
	t.Helper()
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()
	for _, c := range cases {
		var out strings.Builder
		err := c.Run(&out, web.URL)
		ok, failed := strings.Count(out.String(), "  ok  "), strings.Count(out.String(), "  FAIL  ")
		asExpected := err == nil && c.Err == "" || err != nil && c.Err != "" && strings.Contains(err.Error(), c.Err)
		if ok != c.OK || failed != c.Failed || !asExpected {
			t.Errorf("%d ok, %d failed, error %v, want %d, %d, %q\n%s", ok, failed, err, c.OK, c.Failed, c.Err, &out)
		}
	}
}

// Main tests the run function of an example's main: it succeeds, and fails if its context
// has ended.
func Main(t *testing.T, run func(ctx context.Context, addr string, then bool) error) {
	t.Helper()
	if err := run(t.Context(), "", false); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "localhost:0", true); err == nil {
		t.Error("a demonstration that cannot run succeeds")
	}
}
