package bindingtest

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
)

func memoryBinding(fault string) Binding {
	return Binding{
		Around: synctest.Test,
		Start:  func(t testing.TB, app *App) Server { return newMemory(t, app, fault) },
	}
}

// TestMemory: a binding without a fault passes.
func TestMemory(t *testing.T) { Run(t, memoryBinding("")) }

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

// TestFaults: each fault of a binding fails the contract that it breaks.
func TestFaults(t *testing.T) {
	for fault, breaks := range map[string]string{
		"everybody is admitted":        "admission",
		"events before authentication": "the gate",
		"emits before authentication":  "the gate",
		"events before the handler":    "events wait for the handler that begins the session",
		"other words":                  "a refusal by event",
		"no acknowledgement":           "a refusal by event",
		"disconnects twice":            "the end of a session",
		"emits after the end":          "the end of a session",
		"events after the end":         "an end while an event is handled",
		"the guard is not told":        "a client that leaves",
		"a former stay emits":          "a former stay",
		"guests are users":             "guests",
		"no rules for events":          "rules for events",
		"no rules for rooms":           "rules for rooms",
		"rooms are kept":               "rules for rooms",
	} {
		t.Run(fault, func(t *testing.T) {
			found := false
			for _, c := range contracts {
				if c.name != breaks {
					continue
				}
				found = true
				synctest.Test(t, func(t *testing.T) {
					r := &recorder{TB: t}
					done := make(chan struct{})
					go func() {
						defer close(done)
						c.run(r, memoryBinding(fault))
					}()
					<-done
					for _, f := range r.cleanups {
						f()
					}
					if len(r.failures) == 0 {
						t.Error("the contract does not notice")
					}
					t.Log(r.failures)
				})
			}
			if !found {
				t.Fatalf("there is no contract %q", breaks)
			}
		})
	}
}
