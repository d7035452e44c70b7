// Package browser drives a headless Chromium from Go tests over the DevTools
// protocol: just enough to open pages, run script in them, wait for what they
// show, press keys and take pictures.
//
// The package serves the tests of this module and promises no compatibility.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// names are those that Chromium is known by.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}

// patience is how long anything is waited for before it is called missing.
const patience = 30 * time.Second

// Page is one open page. Its methods fail the test if the browser does not answer.
type Page struct {
	ws   *websocket.Conn
	host string // where the browser lists its pages

	mu      sync.Mutex // guards the rest
	asked   int
	waiting map[int]chan reply
	errors  []string
}

type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Open starts a browser and opens the URL in it. The browser ends with the test.
// Where none is installed the test is skipped, and fails if CI is true.
func Open(t testing.TB, address string) *Page {
	t.Helper()
	program := ""
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no browser is installed: expected one of %s", strings.Join(names, ", "))
		}
		t.Skipf("no browser is installed (%s): the page is not tried", strings.Join(names, ", "))
	}
	p := &Page{waiting: make(map[int]chan reply)}
	p.start(t, program)
	p.show(t, address)
	return p
}

// Another opens the URL in another window of the same browser.
func (p *Page) Another(t testing.TB, address string) *Page {
	t.Helper()
	page, err := askPage(http.MethodPut, p.host, "/json/new?about:blank")
	if err != nil {
		t.Fatal(err)
	}
	q := &Page{host: p.host, waiting: make(map[int]chan reply)}
	if q.ws, _, err = websocket.DefaultDialer.Dial(page, nil); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(q.read)
	t.Cleanup(func() {
		_ = q.ws.Close()
		reading.Wait()
	})
	q.show(t, address)
	return q
}

// show opens the URL in the page.
func (p *Page) show(t testing.TB, address string) {
	t.Helper()
	for _, method := range []string{"Runtime.enable", "Log.enable", "Page.enable"} {
		p.call(t, method, nil, nil)
	}
	p.call(t, "Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil) // each window as if it were in front
	p.call(t, "Page.navigate", map[string]any{"url": address}, nil)
	p.Wait(t, fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", address))
}

// start starts the program and attaches to its first page.
func (p *Page) start(t testing.TB, program string) {
	t.Helper()
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--remote-debugging-port=0", "--user-data-dir="+profile, "about:blank")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		if p.ws != nil {
			p.send(0, "Browser.close", nil)
		}
		done := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		reading.Wait()
		_ = cmd.Wait() // however it ends
		done.Stop()
		if p.ws != nil {
			_ = p.ws.Close()
		}
		_ = os.RemoveAll(profile)
	})

	listening := make(chan string, 1)
	reading.Go(func() { findAddress(stderr, listening) })
	select {
	case address := <-listening:
		err = p.attach(address)
	case <-time.After(patience):
		err = errors.New("the browser does not say where it listens")
	}
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatal(err)
	}
	reading.Go(p.read)
}

// findAddress reads what the browser says to its end, and sends where it listens.
func findAddress(stderr io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			listening <- address
		}
	}
	_, _ = io.Copy(io.Discard, stderr)
}

// attach connects to the first page of the browser at the address.
func (p *Page) attach(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	p.host = u.Host
	page, err := askPage(http.MethodGet, p.host, "/json/list")
	if err != nil {
		return err
	}
	p.ws, _, err = websocket.DefaultDialer.Dial(page, nil)
	return err
}

// askPage asks the browser for a page, one that is there or a new one, and returns
// where it is driven.
func askPage(method, host, path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(text, []byte("[")) { // a new one is not in an array
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var targets []struct {
		Type string `json:"type"`
		URL  string `json:"webSocketDebuggerUrl"`
	}
	if err := json.Unmarshal(text, &targets); err != nil {
		return "", err
	}
	for _, target := range targets {
		if target.Type == "page" {
			return target.URL, nil
		}
	}
	return "", errors.New("the browser has no page")
}

// read hands on replies, and keeps what went wrong in the page, until the browser
// ends.
func (p *Page) read() {
	for {
		var message struct {
			ID int `json:"id"`
			reply
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if err := p.ws.ReadJSON(&message); err != nil {
			return
		}
		p.mu.Lock()
		switch {
		case message.ID != 0:
			if answer := p.waiting[message.ID]; answer != nil {
				delete(p.waiting, message.ID)
				answer <- message.reply
			}
		case message.Method == "Runtime.exceptionThrown" || message.Method == "Log.entryAdded" && strings.Contains(string(message.Params), `"level":"error"`):
			p.errors = append(p.errors, string(message.Params))
		}
		p.mu.Unlock()
	}
}

func (p *Page) send(id int, method string, params any) {
	_ = p.ws.WriteJSON(map[string]any{"id": id, "method": method, "params": params}) // no reply will tell
}

// call asks the browser for something and decodes its answer into result.
func (p *Page) call(t testing.TB, method string, params, result any) {
	t.Helper()
	if err := p.ask(method, params, result); err != nil {
		t.Fatal(err)
	}
}

// refused is the browser's answer to what it cannot do, such as running script in a page that
// is being replaced by another.
type refused struct{ method, message string }

func (r *refused) Error() string { return r.method + ": " + r.message }

func (p *Page) ask(method string, params, result any) error {
	answer := make(chan reply, 1)
	p.mu.Lock()
	p.asked++
	id := p.asked
	p.waiting[id] = answer
	p.send(id, method, params)
	p.mu.Unlock()
	select {
	case r := <-answer:
		if r.Error != nil {
			return &refused{method, r.Error.Message}
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(r.Result, result); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s %v: no answer within %v; errors in the page: %q", method, params, patience, p.Errors())
	}
}

// Eval runs an expression in the page, waits for it if it is a promise, and
// returns its value, a string.
func (p *Page) Eval(t testing.TB, expression string) string {
	t.Helper()
	value, err := p.evaluate(expression)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (p *Page) evaluate(expression string) (string, error) {
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	err := p.ask("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	switch e := result.ExceptionDetails; {
	case err != nil:
		return "", err
	case e != nil:
		return "", fmt.Errorf("%s: %s", expression, e.Exception.Description)
	case result.Result.Value == nil:
		return "", nil
	}
	return fmt.Sprint(result.Result.Value), nil
}

// Wait waits until an expression is true in the page, or in the one that it leads to.
func (p *Page) Wait(t testing.TB, expression string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		_, err := p.evaluate("new Promise((done) => { const look = () => (" + expression + ") ? done() : setTimeout(look, 10); look(); })")
		if err == nil {
			return
		}
		if left := new(refused); !errors.As(err, &left) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// keyCodes are those of the keys that Press knows.
var keyCodes = map[string]int{"Tab": 9, "Enter": 13, " ": 32}

// Press presses a key: Tab, Enter or the space bar, " ".
func (p *Page) Press(t testing.TB, key string) {
	t.Helper()
	event := map[string]any{"key": key, "code": key, "windowsVirtualKeyCode": keyCodes[key]}
	switch key {
	case "Enter":
		event["text"] = "\r"
	case " ":
		event["text"], event["code"] = " ", "Space"
	}
	for _, kind := range []string{"keyDown", "keyUp"} {
		event["type"] = kind
		p.call(t, "Input.dispatchKeyEvent", event, nil)
		delete(event, "text")
	}
}

// Type types text into what has the focus.
func (p *Page) Type(t testing.TB, text string) {
	t.Helper()
	p.call(t, "Input.insertText", map[string]any{"text": text}, nil)
}

// Resize makes the window that large, in CSS pixels.
func (p *Page) Resize(t testing.TB, width, height int) {
	t.Helper()
	p.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// Scheme has the page shown in the colour scheme "light" or "dark".
func (p *Page) Scheme(t testing.TB, scheme string) {
	t.Helper()
	p.Prefers(t, "color-scheme", scheme)
}

// Prefers sets a preference of the user, such as "reduced-motion" to "reduce". All others have
// their defaults.
func (p *Page) Prefers(t testing.TB, what, value string) {
	t.Helper()
	feature := map[string]any{"name": "prefers-" + what, "value": value}
	p.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []any{feature}}, nil)
}

// Screenshot returns a picture of the window, in PNG.
func (p *Page) Screenshot(t testing.TB) []byte {
	t.Helper()
	p.call(t, "Page.bringToFront", nil, nil)
	var picture struct{ Data []byte }
	p.call(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &picture)
	return picture.Data
}

// Errors returns what went wrong in the page so far: exceptions, and what the
// browser itself has to complain about.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}
