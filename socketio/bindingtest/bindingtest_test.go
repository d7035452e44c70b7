package bindingtest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
)

func memoryBinding(fault string) Binding {
	return Binding{
		Around: synctest.Test,
		Start:  func(t testing.TB, app *App) Server { return newMemory(t, app, fault) },
	}
}

// TestMemory: a binding without a fault passes, and so does one that leaves out what it may.
func TestMemory(t *testing.T) {
	Run(t, memoryBinding(""))
	t.Run("without Liveness", func(t *testing.T) {
		b := memoryBinding("nobody is dead")
		b.NoLiveness = true
		Run(t, b)
	})
	t.Run("without acknowledgements", func(t *testing.T) { Run(t, memoryBinding("the client cannot ask")) })
}

// faults lists what a binding may do wrong, by the contract that it breaks.
var faults = map[string][]string{
	"admission": {
		"everybody is admitted", "a refusal has no data", "a session begins twice",
	},
	"the application may end a session that begins": {
		"an error is swallowed", "a panic is swallowed",
	},
	"events wait for the handler that begins the session": {
		"events before the handler",
	},
	"the gate": {
		"events before authentication", "emits before authentication",
		"events wait for authentication", "broadcasts wait for authentication",
	},
	"a refusal by event": {
		"other words", "no acknowledgement reaches the guard", "one attempt is all",
	},
	"a refused client is disconnected": {
		"the socket outlives its session", "disconnects twice",
	},
	"unauthorized asks for an acknowledgement": {
		"asks only where the guard waits", "does not ask at the end", "any acknowledgement disconnects",
	},
	"acknowledgements": {
		"a handler's result is lost", "acknowledges what nobody handles",
	},
	"the end of a session": {
		"disconnects twice", "emits after the end", "the last event is lost", "the session is lost with its end",
	},
	"an end while an event is handled": {
		"events after the end", "emits after the end", "acknowledges after the end",
	},
	"a client that leaves": {
		"the guard is not told",
	},
	"a former stay": {
		"a former stay emits", "rooms of a former stay",
	},
	"renewal": {
		"a renewal is dropped", "a renewal begins a session",
	},
	"expiry": {
		"the socket outlives its session", "the last event is lost",
	},
	"revocation": {
		"a token is checked once", "the socket outlives its session",
	},
	"liveness": {
		"nobody is dead", "everybody is dead", "a busy client is dead", "the question is an event",
	},
	"guests": {
		"guests are users", "guests hear no broadcast", "a guest remains a guest",
	},
	"rules for events": {
		"no rules for events", "a refused event has no acknowledgement",
	},
	"rules for rooms": {
		"no rules for rooms", "rooms are kept", "a refused room is not told",
	},
}

// TestFaults: each contract fails for a binding that breaks it.
func TestFaults(t *testing.T) {
	for _, c := range contracts {
		if len(faults[c.name]) == 0 {
			t.Errorf("no fault shows that the contract %q can fail", c.name)
		}
		for _, fault := range faults[c.name] {
			t.Run(c.name+"/"+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					failures := c.failures(t, memoryBinding(fault))
					if len(failures) == 0 {
						t.Error("the contract does not notice")
					}
					t.Log(failures)
				})
			})
		}
	}
	for name := range faults {
		if !slices.ContainsFunc(contracts, func(c contract) bool { return c.name == name }) {
			t.Errorf("there is no contract %q", name)
		}
	}
}

// failures runs the contract and returns what it complains about.
func (c contract) failures(t *testing.T, b Binding) []string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(r, b)
	}()
	<-done
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return r.failures
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}
func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }
func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
