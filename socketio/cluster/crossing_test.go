package cluster_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// needRedis starts a Redis and returns its address.
func needRedis(t testing.TB) string {
	t.Helper()
	return startRedis(t).Address()
}

func startRedis(t testing.TB) *outage.Redis {
	t.Helper()
	r, err := outage.NewRedis()
	if errors.Is(err, outage.ErrNoRedis) && !mustRun() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

func broker(t testing.TB, address string) cluster.Broker {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { _ = client.Close() })
	b, err := redisstore.NewBroker(client)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCrossing runs every operation of a cluster between nodes without clients, in
// memory and over Redis.
func TestCrossing(t *testing.T) {
	goNode := func(t *testing.T, b cluster.Broker, name string) peer {
		return goPeer{join(t, b, nil, name+"-one", name+"-two")}
	}
	t.Run("memory", func(t *testing.T) {
		m := cluster.NewMemory()
		crossing(t, goNode(t, m, "a"), goNode(t, m, "b"))
	})
	t.Run("redis", func(t *testing.T) {
		address := needRedis(t)
		crossing(t, goNode(t, broker(t, address), "a"), goNode(t, broker(t, address), "b"))
	})
}

// TestMatrix runs every operation of a cluster between real servers of every kind, in
// every direction, with clients 4.8.4 and 2.5.0.
func TestMatrix(t *testing.T) {
	kinds := map[string]func(t testing.TB, redis string) peer{
		"googollee": func(t testing.TB, redis string) peer { return guarded(t, redis) },
		"zishang":   func(t testing.TB, redis string) peer { return guardedZishang(t, redis) },
		"Node.js":   func(t testing.TB, redis string) peer { return nodeJS(t, redis) },
	}
	for _, from := range slices.Sorted(maps.Keys(kinds)) {
		for _, to := range slices.Sorted(maps.Keys(kinds)) {
			t.Run(from+" to "+to, func(t *testing.T) {
				address := needRedis(t)
				a, b := kinds[from](t, address), kinds[to](t, address)
				crossing(t, a, b)
				checkUnauthenticated(t, a, b)
			})
		}
	}
}

// crossing has from act, and checks that every socket of both nodes hears what it
// should, exactly once and in order.
func crossing(t *testing.T, from, to peer) {
	t.Helper()
	all := slices.Concat(from.members(), to.members())
	first, second := to.members()[0], to.members()[1]
	first.joinItself(t, "r1")
	second.joinItself(t, "r1")
	second.joinItself(t, "r2")
	own := from.members()[0]
	own.joinItself(t, "r1")

	// check ends what from has sent and compares what was heard.
	check := func(what string, want string, who ...member) {
		t.Helper()
		from.emit(t, cluster.Target{}, "end")
		for _, m := range all {
			var list []string
			if slices.Contains(who, m) {
				list = []string{want}
			}
			expect(t, fmt.Sprintf("%s: %s", what, m.id()), m.heard(t), list...)
		}
	}
	emits := []struct {
		what string
		to   cluster.Target
		who  []member
	}{
		{"to all", cluster.Target{}, all},
		{"to a room", rooms("r1"), []member{own, first, second}},
		{"to two rooms", rooms("r2", "nobody"), []member{second}},
		{"to rooms that overlap", rooms("r1", "r2"), []member{own, first, second}},
		{"to a room where nobody is", rooms("nobody"), nil},
		{"to all except a room", cluster.Target{Except: []string{"r2"}}, slices.DeleteFunc(slices.Clone(all), func(m member) bool { return m == second })},
		{"to a room except a room", cluster.Target{Rooms: []string{"r1"}, Except: []string{"r2"}}, []member{own, first}},
		{"to a socket", rooms(first.id()), []member{first}},
		{"to all except a socket", cluster.Target{Except: []string{first.id()}}, slices.DeleteFunc(slices.Clone(all), func(m member) bool { return m == first })},
		{"volatile", cluster.Target{Rooms: []string{"r2"}, Volatile: true}, []member{second}},
	}
	for _, e := range emits {
		from.emit(t, e.to, "event", e.what, 1.5, []any{true, nil}, map[string]any{"ä": "日本 \u2028\"\\"})
		check(e.what, "[event "+e.what+" 1.5 [true <nil>] {ä:日本 \u2028\"\\}]", e.who...)
	}
	from.emit(t, cluster.Target{}, "binary", []byte{0, 1, 0xff}, "x", []byte{})
	check("binary to all", "[binary <0001ff> x <>]", all...)
	from.emit(t, rooms("r2"), "binary", []byte{2})
	check("binary to a room", "[binary <02>]", second)

	// A node on Node.js hears of it by Redis, too, so that its own sockets join later.
	settled := func(n int) {
		t.Helper()
		for begin := time.Now(); len(from.fetch(t, rooms("r4"))) != n; time.Sleep(time.Millisecond) {
			if time.Since(begin) > patience {
				t.Fatalf("%d sockets are in the room, want %d", len(from.fetch(t, rooms("r4"))), n)
			}
		}
	}
	from.join(t, rooms("r1"), "r3", "r4")
	settled(3)
	from.emit(t, rooms("r4"), "event")
	check("join", "[event]", own, first, second)
	from.leave(t, rooms(second.id()), "r4")
	settled(2)
	from.emit(t, rooms("r4"), "event")
	check("leave", "[event]", own, first)

	checkAsking(t, from, to)

	from.disconnect(t, rooms(first.id()))
	first.awaitGone(t)
	all = slices.DeleteFunc(all, func(m member) bool { return m == first })
	from.emit(t, cluster.Target{}, "event")
	check("after a disconnect", "[event]", all...)
}

// checkAsking runs the operations that have an answer.
func checkAsking(t *testing.T, from, to peer) {
	t.Helper()
	ids := func(list []cluster.Socket) []string {
		var out []string
		for _, s := range list {
			out = append(out, s.ID)
		}
		slices.Sort(out)
		return out
	}
	idsOf := func(list ...member) []string {
		var out []string
		for _, m := range list {
			out = append(out, m.id())
		}
		slices.Sort(out)
		return out
	}
	first, second := to.members()[0], to.members()[1]
	all := slices.Concat(from.members(), to.members())
	expect(t, "fetch all", ids(from.fetch(t, cluster.Target{})), idsOf(all...)...)
	expect(t, "fetch a room", ids(from.fetch(t, rooms("r2"))), idsOf(second)...)
	expect(t, "fetch except", ids(from.fetch(t, cluster.Target{Except: []string{"r2"}, Rooms: []string{"r1"}})), idsOf(from.members()[0], first)...)
	one := from.fetch(t, rooms(second.id()))
	if len(one) != 1 || !slices.Contains(one[0].Rooms, "r2") || !slices.Contains(one[0].Rooms, second.id()) {
		t.Errorf("fetch a socket: %+v", one)
	}

	from.serverSideEmit(t, "news", "x", 2, []any{"y"})
	from.serverSideEmit(t, "news", "end")
	expect(t, "serverSideEmit", to.news(t), "[news x 2 [y]]")
	if got := from.serverSideEmitWithAck(t, "question", "why", 3); len(got) != 1 || got[0] != "{args:[why 3] node:go}" && got[0] != "{args:[why 3] node:node.js}" {
		t.Errorf("serverSideEmitWithAck: %q", got)
	}
	checkAcknowledgements(t, from, to)
}

// checkAcknowledgements: of nobody, of all who are asked, and of one of two, so that
// the time runs out.
func checkAcknowledgements(t *testing.T, from, to peer) {
	t.Helper()
	got, err := from.emitWithAck(t, rooms("nobody"), patience, "ask")
	if err != nil {
		t.Errorf("acknowledgements of nobody: %v", err)
	}
	expect(t, "acknowledgements of nobody", got)

	all := slices.Concat(to.members(), from.members())
	first, second := all[0], all[1]
	both := rooms(first.id(), second.id())
	// ask emits the event, and those who answer do.
	ask := func(timeout time.Duration, who ...member) ([]string, error) {
		var got []string
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, err = from.emitWithAck(t, both, timeout, "ask", 7)
		}()
		for _, m := range who {
			m.acknowledge(t)
		}
		<-done
		from.emit(t, cluster.Target{}, "end")
		for i, m := range all {
			var want []string
			if i < 2 {
				want = []string{"[ask 7]"}
			}
			expect(t, "what was asked "+m.id(), m.heard(t), want...)
		}
		return got, err
	}
	got, err = ask(patience, first, second)
	if err != nil {
		t.Errorf("acknowledgements: %v", err)
	}
	want := []string{"ack of " + first.id(), "ack of " + second.id()}
	slices.Sort(want)
	expect(t, "acknowledgements", got, want...)

	second.stayMute()
	// A busy machine may need more than a second for the one acknowledgement that comes.
	_, js := from.(*jsPeer)
	_, zi := from.(*zishangPeer)
	for timeout := time.Second; ; timeout *= 2 {
		got, err = ask(timeout, first)
		if err == nil {
			t.Errorf("the time is up: no error, %q", got)
		}
		var missing *cluster.MissingError
		if js || zi || errors.As(err, &missing) && missing.Expected == 2 && missing.Received == 1 && len(got) == 1 {
			return
		}
		if timeout > patience/2 {
			t.Fatalf("the time is up: %v, %q", err, got)
		}
	}
}

func mustRun() bool { return os.Getenv("CI") == "true" }
