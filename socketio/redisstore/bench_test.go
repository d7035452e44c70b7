//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// sized returns a size from the environment, or a small one for a quick run.
func sized(b *testing.B, name string, small int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkManyRevocations is what a list of many revocations costs: 50,000, or
// REDISSTORE_REVOCATIONS. The time to sync has in it the five seconds for other
// processes.
func BenchmarkManyRevocations(b *testing.B) {
	many := sized(b, "REDISSTORE_REVOCATIONS", 50_000)
	r := startRedis(b)
	admin := clientOf(r.Address())
	defer admin.Close()
	used := func() float64 {
		for line := range strings.Lines(admin.Info(b.Context(), "memory").Val()) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
				v, _ := strconv.ParseFloat(n, 64)
				return v
			}
		}
		b.Fatal("Redis does not tell its memory")
		return 0
	}
	before := used()
	fill(b, r.Address(), many)
	inRedis := (used() - before) / float64(many)

	heap, cpu := heapInUse(), processorTime()
	began := time.Now()
	p := startProcess(b, clientOf(r.Address()), key)
	p.sync(b, 5*time.Minute)
	took, cpu := time.Since(began), processorTime()-cpu
	perEntry := (heapInUse() - heap) / float64(many)
	if n := p.Revocations(); n != many {
		b.Fatalf("%d are known", n)
	}
	for name, token := range map[string]*verifier.Token{
		"accepted": {Issuer: "https://idp.example/", Subject: "somebody", SessionID: "s", ID: "j"},
		"revoked":  {Issuer: "https://idp.example/", Subject: fmt.Sprint("user", many/2), SessionID: "s", ID: "j"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := p.Check(token); (err != nil) != (name == "revoked") {
					b.Fatal(err)
				}
			}
			b.ReportMetric(inRedis, "B-in-Redis")
			b.ReportMetric(perEntry, "B-in-process")
			b.ReportMetric(took.Seconds(), "s-to-sync")
			b.ReportMetric(cpu.Seconds(), "cpu-s-to-sync")
		})
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heapInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// timedSocket tells when it was closed.
type timedSocket struct {
	fakeSocket
	closed chan time.Time
}

func (s *timedSocket) Close(error, string, ...any) { s.closed <- time.Now() }

// BenchmarkRevokeStorm revokes 1,000 users a second at one process, for a second or
// REDISSTORE_STORM of them, and measures until each one's socket at another is closed.
func BenchmarkRevokeStorm(b *testing.B) {
	const rate = 1000
	many := rate * sized(b, "REDISSTORE_STORM", 1)
	r := startRedis(b)
	here, there := startProcess(b, clientOf(r.Address()), key), startProcess(b, clientOf(r.Address()), key)
	here.sync(b, time.Minute)
	there.sync(b, time.Minute)
	b.ResetTimer()
	var all []time.Duration
	for b.Loop() {
		sockets := make([]*timedSocket, many)
		for i := range sockets {
			h := &verifier.Handshake{Namespace: "/", Query: url.Values{"token": {fmt.Sprintf("user%d-%d", len(all), i)}}}
			p, err := there.auth.Admit(context.Background(), h)
			if err != nil {
				b.Fatal(err)
			}
			sockets[i] = &timedSocket{closed: make(chan time.Time, 1)}
			there.auth.Attach(sockets[i], h, p)
		}
		took := make([]time.Duration, many)
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		for i := range sockets {
			<-tick.C
			wg.Go(func() {
				began := time.Now()
				if err := here.Revoke(context.Background(), socketio.Revocation{Subject: fmt.Sprintf("user%d-%d", len(all), i)}); err != nil {
					b.Error(err)
				}
				took[i] = (<-sockets[i].closed).Sub(began)
			})
		}
		wg.Wait()
		tick.Stop()
		all = append(all, took...)
	}
	slices.Sort(all)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(all[len(all)-1].Microseconds()), "max-µs")
}
