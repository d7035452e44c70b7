package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// report is what a server tells of itself. Bytes, except for CPU: nanoseconds of
// processor time since it began.
type report struct {
	CPU           int64 `json:"cpu"`
	Heap          int64 `json:"heap"`
	Stack         int64 `json:"stack"`
	RSS           int64 `json:"rss"`
	Goroutines    int   `json:"goroutines"`
	Sessions      int   `json:"sessions"`
	Authenticated int64 `json:"authenticated"`
	Revoked       int   `json:"revoked"`
	Present       int   `json:"present"` // sessions of all servers

	// What went wrong with a revocation: it may hold in this process only.
	Trouble string `json:"trouble,omitempty"`
}

// app is a server under load.
type app struct {
	http.Handler
	sessions func() int // connections that the library counts
	// broadcast sends the event "news" to everybody, or to the room "crowd", which
	// the event "join" enters.
	broadcast func(crowd bool)
	revoke    func(subject string, life time.Duration) (int, error)
	close     func() error
}

// authenticated counts the sockets that were accepted.
var authenticated atomic.Int64

// setup is what a server is started with.
type setup struct {
	kind, mode string
	timeout    time.Duration // to authenticate within
	ping       time.Duration // between two; 0 is the library's

	refusalDelay time.Duration // 0 is the binding's
	rules        bool          // limit sessions, events and rooms
	trunks       bool          // connections are trunks

	cpuProfile, memProfile string // files, "" for none
	verification
}

// kinds are the servers in Go.
var kinds = map[string]func(setup) (*app, error){
	"gosio":        serveGoogollee,
	"gosio-hand":   serveGoogolleeHandwritten,
	"bare":         serveBare,
	"floor":        serveFloor,
	"zishang":      serveZishang,
	"zishang-hand": serveZishangHandwritten,
}

// serve runs a server and answers what is asked of it, a line each: "use" tells
// of processor time, "size" of memory, "rest" of memory after a collection, "broadcast" and
// "all" or "crowd" send an event, "broadcasts" and a number send it to all so often, "revoke", a subject and a duration end the sessions
// of that user, and refuse new ones for that time.
func serve(args []string, in io.Reader, out io.Writer) error {
	s, err := newSetup(args)
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	a, err := kinds[s.kind](s)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if s.trunks {
		l = newTrunkListener(l)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", a)
	mux.HandleFunc("POST /revoke", a.serveRevoke)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: s.timeout, IdleTimeout: 2 * time.Minute}
	go func() { _ = web.Serve(l) }() // until it is closed
	defer web.Close()
	if s.cpuProfile != "" {
		file, err := os.Create(s.cpuProfile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Fprintf(out, "ready http://%s\n", l.Addr())
	answer := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		r := report{CPU: processorTime(), Goroutines: runtime.NumGoroutine(), Sessions: a.sessions(), Authenticated: authenticated.Load()}
		command, argument, _ := strings.Cut(lines.Text(), " ")
		if command == "quit" {
			return a.close()
		}
		if err := r.fill(a, command, argument, s.memProfile); err != nil {
			return err
		}
		if err := answer.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// newSetup reads the arguments and the environment of serve.
func newSetup(args []string) (s setup, err error) {
	f := flags("serve")
	f.DurationVar(&s.timeout, "timeout", 15*time.Second, "within which a socket is to authenticate")
	f.DurationVar(&s.ping, "ping", 0, "between two pings; a connection ends two such after a missed one")
	f.DurationVar(&s.refusalDelay, "refusal-delay", 0, "after which a client that was told to go is disconnected")
	f.BoolVar(&s.rules, "rules", false, "limit a user's sessions, events and rooms")
	f.BoolVar(&s.trunks, "trunks", false, "accept trunks, which carry many connections each")
	f.StringVar(&s.cpuProfile, "cpuprofile", "", "file for a profile")
	f.StringVar(&s.memProfile, "memprofile", "", "file for a profile of what is in use at each rest")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() != 2 {
		return s, errors.New("serve: expected a kind of server and a mode")
	}
	s.kind, s.mode = f.Arg(0), f.Arg(1)
	if kinds[s.kind] == nil {
		return s, fmt.Errorf("serve: no server is called %q", s.kind)
	}
	if err := json.Unmarshal([]byte(os.Getenv(keyVariable)), &s.verification); err != nil {
		return s, fmt.Errorf("serve: %s: %w", keyVariable, err)
	}
	return s, nil
}

// fill executes a command and records the result. It writes a memory profile to the
// file memory, unless that is empty.
func (r *report) fill(a *app, command, argument, memory string) (err error) {
	switch command {
	case "use":
	case "size":
		r.size()
	case "rest":
		r.rest()
		if memory != "" {
			return writeHeap(memory)
		}
	case "broadcast":
		a.broadcast(argument == "crowd")
	case "broadcasts":
		n, err := strconv.Atoi(argument)
		for range n {
			a.broadcast(false)
		}
		return err
	case "revoke":
		return r.revoke(a, argument)
	case "present":
		if r.Present, err = presence.Count(context.Background(), socketio.Filter{}); err != nil {
			r.Trouble = err.Error()
		}
	default:
		return fmt.Errorf("serve: %q is not a command", command)
	}
	return nil
}

// news is what is broadcast: some hundred bytes.
const news = "a text of a hundred bytes, more or less, as chats have them: the quick brown fox jumps over the lazy dog"

func (r *report) revoke(a *app, argument string) error {
	cut := strings.LastIndexByte(argument, ' ') // a subject may have spaces
	d, err := time.ParseDuration(argument[cut+1:])
	if err != nil || cut < 0 {
		return fmt.Errorf("serve: revoke: expected a subject and a duration, got %q", argument)
	}
	subject := argument[:cut]
	if r.Revoked, err = a.revoke(subject, d); err != nil {
		r.Trouble = err.Error()
	}
	return nil
}

// serveRevoke revokes a user like the command, but many at a time: the store may be slow.
func (a *app) serveRevoke(w http.ResponseWriter, r *http.Request) {
	var answer report
	if err := answer.revoke(a, r.FormValue("sub")+" "+r.FormValue("for")); err != nil {
		answer.Trouble = err.Error()
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// rest measures what the process holds when it has nothing to do.
func (r *report) rest() {
	// Each collection halves the stacks that were once needed and no longer are.
	for range 4 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	r.size()
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident int64
		if _, err := fmt.Sscan(string(text), &size, &resident); err == nil {
			r.RSS = resident * int64(os.Getpagesize())
		}
	}
}

// size measures what is in use, with what has not been collected yet.
func (r *report) size() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.Heap, r.Stack = int64(m.HeapAlloc), int64(m.StackInuse)
}

func writeHeap(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return pprof.Lookup("heap").WriteTo(file, 0)
}
