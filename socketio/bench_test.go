package socketio_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// idleSocket is a socket that costs nothing itself.
type idleSocket struct{ closed chan<- struct{} }

func (*idleSocket) ID() string                            { return "" }
func (*idleSocket) Emit(string, func(), ...any)           {}
func (*idleSocket) Open(string)                           {}
func (*idleSocket) Authenticated(*socketio.Session) error { return nil }
func (s *idleSocket) Close(error, string, ...any) {
	if s.closed != nil {
		s.closed <- struct{}{}
	}
}

// population has n sessions, three for each user, of tokens that end in an hour.
func population(b *testing.B, a *socketio.Authorizer, n int, closed chan<- struct{}) []*socketio.Guard {
	b.Helper()
	guards := make([]*socketio.Guard, n)
	h := &verifier.Handshake{Namespace: "/"}
	for i := range n {
		guards[i] = begin(b, a, h, fmt.Sprintf("user-%d exp=3600 jti=%d sid=s%d", i/3, i, i/3), closed)
	}
	return guards
}

func begin(b *testing.B, a *socketio.Authorizer, h *verifier.Handshake, word string, closed chan<- struct{}) *socketio.Guard {
	p, err := a.Admit(b.Context(), withToken("/", word))
	if err != nil {
		b.Fatal(err)
	}
	g := a.Attach(&idleSocket{closed}, h, p)
	g.Session().Wait()
	return g
}

func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkIdleSessions is what 20,000 sessions cost that do nothing: the memory
// of each, beyond its token and handshake, and the goroutines of all.
func BenchmarkIdleSessions(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		a := newLive(b, socketio.ByHandshake())
		passes := make([]*socketio.Pass, n)
		h := &verifier.Handshake{Namespace: "/"}
		for i := range n {
			p, err := a.Admit(b.Context(), withToken("/", fmt.Sprintf("user-%d exp=3600 jti=%d sid=s%d", i/3, i, i/3)))
			if err != nil {
				b.Fatal(err)
			}
			passes[i] = p
		}
		guards := make([]*socketio.Guard, n)
		socket := &idleSocket{}
		goroutines, before := runtime.NumGoroutine(), heap()
		for i, p := range passes {
			guards[i] = a.Attach(socket, h, p)
		}
		for _, g := range guards {
			g.Session().Wait()
		}
		after := heap()
		b.ReportMetric(float64(after-before)/n, "B/session")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		for _, g := range guards {
			g.Closed()
		}
	}
}

// BenchmarkRevokeUser is the time to end the three sockets of one user, among few
// and among many: they should not differ.
func BenchmarkRevokeUser(b *testing.B) {
	for _, n := range []int{300, 20_000, 100_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			a := newLive(b, socketio.ByHandshake())
			closed := make(chan struct{}, 3)
			guards := population(b, a, n, closed)
			h := &verifier.Handshake{Namespace: "/"}
			i := 0
			for b.Loop() {
				v := socketio.Revocation{Subject: fmt.Sprintf("user-%d", i%(n/3)), Expires: time.Now().Add(time.Hour)}
				if err := a.Registry().Revoke(b.Context(), v); err != nil {
					b.Fatal(err)
				}
				for range 3 {
					<-closed
				}
				b.StopTimer() // the user comes back
				if err := a.Registry().Unrevoke(b.Context(), v); err != nil {
					b.Fatal(err)
				}
				for k := range 3 {
					guards[i%(n/3)*3+k] = begin(b, a, h, fmt.Sprintf("user-%d exp=3600", i%(n/3)), closed)
				}
				i++
				b.StartTimer()
			}
			b.StopTimer()
			for _, g := range guards {
				g.Closed()
			}
		})
	}
}

// BenchmarkServeEvent is what a binding asks before it hands an event to the
// application.
func BenchmarkServeEvent(b *testing.B) {
	g := population(b, newLive(b, socketio.ByHandshake()), 1, nil)[0]
	defer g.Closed()
	b.ReportAllocs()
	for b.Loop() {
		if s := g.Session(); s == nil || !s.Wait() {
			b.Fatal("no session")
		}
	}
}
