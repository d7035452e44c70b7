package zishang

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestResponseLetsGo: of a connection that net/http has given away nothing of
// net/http's is kept, and one that it cannot give away is answered as ever.
func TestResponseLetsGo(t *testing.T) {
	given := make(chan *response, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := &response{w, true}
		conn, _, err := r.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
		given <- r
	}))
	defer web.Close()
	if answer, err := http.Get(web.URL); err == nil {
		_ = answer.Body.Close()
	}
	r := <-given
	if _, ok := r.Unwrap().(hijacked); !ok {
		t.Errorf("it keeps a %T", r.Unwrap())
	}
	r.WriteHeader(http.StatusOK)
	if _, err := r.Write(nil); !errors.Is(err, http.ErrHijacked) || len(r.Header()) > 0 {
		t.Errorf("writing: %v, header %v", err, r.Header())
	}

	recorder := httptest.NewRecorder()
	w := &response{recorder, true}
	if _, _, err := w.Hijack(); err == nil {
		t.Error("a recorder was hijacked")
	}
	w.WriteHeader(http.StatusTeapot)
	if recorder.Code != http.StatusTeapot {
		t.Errorf("the answer is %d", recorder.Code)
	}
}

// TestOpening: what is written first goes out with what comes next, or at the end.
func TestOpening(t *testing.T) {
	for name, more := range map[string][]string{"alone": nil, "with a second": {"second"}, "and more": {"second", "third"}} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			var writes []string
			read := make(chan struct{})
			go func() {
				defer close(read)
				b := make([]byte, 100)
				for {
					n, err := theirs.Read(b)
					if err != nil {
						return
					}
					writes = append(writes, string(b[:n]))
				}
			}()
			c := &opening{Conn: ours}
			for _, text := range append([]string{"first"}, more...) {
				if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			}
			_ = c.Close()
			<-read
			want := []string{"first"}
			for i, text := range more {
				if i == 0 {
					want[0] += text
				} else {
					want = append(want, text)
				}
			}
			if !slices.Equal(writes, want) {
				t.Errorf("%q was written, want %q", writes, want)
			}
			if n, err := c.Write([]byte("late")); n != 0 || err == nil {
				t.Errorf("after the end: %d, %v", n, err)
			}
		})
	}
}
