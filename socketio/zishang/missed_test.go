package zishang

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// pidOf returns the private id that a CONNECT packet gives.
func pidOf(t *testing.T, packet string) string {
	t.Helper()
	_, answer, _ := strings.Cut(packet, `"pid":"`)
	pid, _, found := strings.Cut(answer, `"`)
	if !found {
		t.Fatalf("%s has no pid", packet)
	}
	return pid
}

// offsetOf returns the offset at the end of an event.
func offsetOf(packet string) string {
	return packet[strings.LastIndex(packet, `,"`)+2 : strings.LastIndex(packet, `"`)]
}

// misses has a client join a room and leave, and miss an event there. It returns what the
// client recovers its session with.
func (r *ruled) misses(t *testing.T, token string) (pid, offset string) {
	t.Helper()
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + token + `"}`)
	pid = pidOf(t, f.next())
	s := <-r.sockets
	s.Join("org:red:a")
	_ = s.Emit("hello")
	offset = offsetOf(f.next())
	_ = f.conn.Close()
	<-r.left
	_ = r.chat.To("org:red:a").Emit("secret", "of red")
	return pid, offset
}

// TestMissedOfForbiddenRoom: a client that recovers its session with fewer rights is told
// nothing of what was sent to the rooms that it may not join any more.
func TestMissedOfForbiddenRoom(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	r := newRuled(t, options)
	pid, offset := r.misses(t, r.token("ada", "w", "red"))
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + r.token("ada", "w", "blue") + `","pid":"` + pid + `","offset":"` + offset + `"}`)
	heard(t, f, `40/chat,`, pid)
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:red:a"`, `"reason":"forbidden"`)
	<-r.sockets
	f.send(`42/chat,1["read","x"]`)
	if got := f.next(); strings.Contains(got, "secret") {
		t.Errorf("the client is told %s", got)
	}
}

// pausing makes adapters whose second RestoreSession, which finds what was missed, waits.
type pausing struct {
	socket.SessionAwareAdapterBuilder
	found, proceed chan struct{}
}

type pausingAdapter struct {
	socket.Adapter
	*pausing
	calls atomic.Int32
}

func (p *pausing) New(n socket.Namespace) socket.Adapter {
	return &pausingAdapter{Adapter: p.SessionAwareAdapterBuilder.New(n), pausing: p}
}

func (a *pausingAdapter) RestoreSession(pid socket.PrivateSessionId, offset string) (*socket.Session, error) {
	session, err := a.Adapter.RestoreSession(pid, offset)
	if a.calls.Add(1) == 2 {
		close(a.found)
		<-a.proceed
	}
	return session, err
}

// TestMissedAcrossRenewal: a client that recovers its session renews with fewer rights when
// what it missed was found, and is not sent yet.
func TestMissedAcrossRenewal(t *testing.T) {
	p := &pausing{found: make(chan struct{}), proceed: make(chan struct{})}
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	options.SetAdapter(p)
	renewed := make(chan struct{})
	r := newRuled(t, options, socketio.OnRenewed(func(*socketio.Session) { close(renewed) }))
	red := r.token("ada", "w", "red")
	pid, offset := r.misses(t, red)
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + red + `","pid":"` + pid + `","offset":"` + offset + `"}`)
	<-p.found
	f.send(`42/chat,["authenticate",{"token":"` + r.token("ada", "w", "blue") + `"}]`)
	<-renewed
	close(p.proceed)
	heard(t, f, `40/chat,`, pid)
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:red:a"`)
	heard(t, f, `42/chat,["authenticated"]`)
	f.send(`42/chat,1["read","x"]`)
	heard(t, f, `43/chat,1["ok"]`)
}

// TestPublicIsNotRecovered: in a public namespace a session begins anew, and the client
// is told so.
func TestPublicIsNotRecovered(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	sockets, left := make(chan *socket.Socket, 2), make(chan struct{}, 2)
	web := serve(t, options, func(s *Server) {
		_ = public(t, s, "/p").On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("disconnect", func(...any) { left <- struct{}{} })
			sockets <- s
		})
	})
	f := upgrade(t, web)
	f.send(`40/p,`)
	pid := pidOf(t, f.next())
	_ = (<-sockets).Emit("hello")
	offset := offsetOf(f.next())
	_ = f.conn.Close()
	<-left

	f = upgrade(t, web)
	f.send(`40/p,{"pid":"` + pid + `","offset":"` + offset + `"}`)
	if again := pidOf(t, f.next()); again == pid || (<-sockets).Recovered() {
		t.Error("the client is told that its session was recovered")
	}
}
