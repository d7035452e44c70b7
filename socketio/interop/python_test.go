package interop

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

//go:embed python.py
var pythonClient []byte

var discard = slog.New(slog.DiscardHandler)

// python returns the interpreter that has python-socketio: Debian's package is for
// Debian's interpreter.
func python(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(program, "-c", "import socketio.asyncio_client, aiohttp").Run() == nil {
			return program
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("python3-socketio and python3-aiohttp are not installed")
	}
	t.Skip("python3-socketio or python3-aiohttp is not installed")
	return ""
}

// pythonPlan is what the client of python.py does.
type pythonPlan struct {
	Transports []string `json:"transports,omitempty"`
	Auth       string   `json:"auth,omitempty"`  // the token of the handshake
	Event      string   `json:"event,omitempty"` // the token of the event "authenticate"
	Renew      string   `json:"renew,omitempty"` // the token that replaces it when it expires soon
	After      float64  `json:"after,omitempty"` // seconds after a renewal in which the old token expires
}

// TestPython: python-socketio authenticates, is refused, expires and renews on both
// bindings, in both modes.
func TestPython(t *testing.T) {
	program := python(t)
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, pythonClient, 0o600); err != nil {
		t.Fatal(err)
	}
	old := mint(claims{"sub": "alice", "exp": 1})
	modes := map[string]struct {
		policy  policy
		present func(token string) pythonPlan
		begins  []string
		refused []string
	}{
		"event": {byEvent(), func(token string) pythonPlan { return pythonPlan{Event: token} },
			[]string{`["connect"]`, `["authenticated"]`, `["whoami","alice"]`},
			[]string{`["connect"]`, `["unauthorized",` + strings.Trim(unauthorizedArgs(expired), "[]") + `]`, `["disconnect"]`}},
		"handshake": {byHandshake(), func(token string) pythonPlan { return pythonPlan{Auth: token} },
			[]string{`["connect"]`, `["whoami","alice"]`},
			[]string{`["connect_error",{"message":"jwt expired","data":` + expired.json() + `}]`}},
	}
	for _, b := range bindings {
		for name, mode := range modes {
			run := func(row string, plan func() pythonPlan, want ...string) {
				t.Run(b.name+"/"+name+"/"+row, func(t *testing.T) {
					t.Parallel()
					runPython(t, b, mode.policy, program, script, plan, want)
				})
			}
			for _, choice := range transportChoices {
				run("accepted by "+choice.name, func() pythonPlan {
					p := mode.present(alice)
					p.Transports = choice.transports
					return p
				}, append(slices.Clone(mode.begins), "close", `["disconnect"]`)...)
			}
			run("refused", func() pythonPlan { return mode.present(old) }, mode.refused...)
			run("expires", func() pythonPlan { return mode.present(short("alice")()) }, append(slices.Clone(mode.begins),
				`["token_expiring"]`, `["unauthorized",`+strings.Trim(unauthorizedArgs(expired), "[]")+`]`, `["disconnect"]`)...)
			run("renewed", func() pythonPlan {
				p := mode.present(short("alice")())
				p.Renew, p.After = alice, lifetime.Seconds()
				return p
			}, append(slices.Clone(mode.begins), `["token_expiring"]`, `["authenticated"]`, `["whoami","alice"]`, "close", `["disconnect"]`)...)
		}
	}
}

// runPython runs a client and compares what it prints. "close" has it leave.
func runPython(t *testing.T, b binding, p policy, program, script string, plan func() pythonPlan, want []string) {
	a := &app{}
	server := b.start(t, config{app: a, logger: discard, refusalDelay: 100 * time.Millisecond, guards: map[string]guard{"/": {
		p.authenticator(t), append([]socketio.Option{socketio.WithLogger(discard), patience}, p.options...),
	}}})
	t.Cleanup(server.Close)
	text, err := json.Marshal(plan())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, script, server.URL(), string(text))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*jsclient.Deadline, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	var got []string
	for _, line := range want {
		if line == "close" {
			_, _ = io.WriteString(in, "close\n")
			continue
		}
		if !lines.Scan() {
			break
		}
		got = append(got, lines.Text())
		if jsclient.Canonical(lines.Text()) != jsclient.Canonical(line) {
			break
		}
	}
	_ = in.Close()
	for lines.Scan() {
		got = append(got, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the client failed: %v", err)
	}
	want = slices.DeleteFunc(slices.Clone(want), func(line string) bool { return line == "close" })
	want = append(want, `["over"]`)
	if !slices.EqualFunc(got, want, func(a, b string) bool { return jsclient.Canonical(a) == jsclient.Canonical(b) }) {
		t.Errorf("the client saw\n\t%s\nwant\n\t%s\n%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), &stderr)
	}
}
