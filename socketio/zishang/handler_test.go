package zishang

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/zishang520/socket.io/servers/engine/v3"
)

// TestResponseLetsGo: of a connection that net/http has given away nothing of
// net/http's is kept, and one that it cannot give away is answered as ever.
func TestResponseLetsGo(t *testing.T) {
	given := make(chan *response, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := &response{ResponseWriter: w, opens: true}
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
	w := &response{ResponseWriter: recorder}
	if _, _, err := w.Hijack(); err == nil {
		t.Error("a recorder was hijacked")
	}
	w.WriteHeader(http.StatusTeapot)
	if recorder.Code != http.StatusTeapot {
		t.Errorf("the answer is %d", recorder.Code)
	}
}

// TestRequestsOutliveNoConnection: of a connection's requests those that are answered
// are left alone, and the others ended.
func TestRequestsOutliveNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := engine.MakeSocket()
		r := requestsOf(conn)
		if requestsOf(conn) != r {
			t.Fatal("a connection has two lists of requests")
		}
		ended := make(chan string, 3)
		requests := map[string]*http.Request{"waiting": {}, "answered": {}, "late": {}}
		add := func(name string) { r.add(requests[name], func() { ended <- name }) }
		add("waiting")
		add("answered")
		r.done(requests["answered"])
		conn.Emit("close", "transport close")
		add("late")
		got := []string{<-ended, <-ended}
		slices.Sort(got)
		if got[0] != "late" || got[1] != "waiting" {
			t.Errorf("ended: %s", got)
		}
	})
}
