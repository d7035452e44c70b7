package sockettest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// handler is the application's handler of an event.
type handler struct {
	f         reflect.Value
	forGuests bool
}

var connType = reflect.TypeFor[*Conn]()

func newHandler(event string, f any, forGuests bool) handler {
	v, t := reflect.ValueOf(f), reflect.TypeOf(f)
	if t == nil || t.Kind() != reflect.Func || v.IsNil() || t.NumIn() == 0 || !connType.AssignableTo(t.In(0)) {
		panic(fmt.Sprintf("sockettest: the handler of %q must be a func(*sockettest.Conn, ...), not %v", event, t))
	}
	return handler{v, forGuests}
}

// call calls a function with the first arguments and those that a client sent. Like a
// server it ignores arguments beyond the parameters, and missing ones are zero. It panics
// if one does not fit: there a server would not call the function.
func call(what string, f reflect.Value, args []json.RawMessage, first ...reflect.Value) []reflect.Value {
	types := slices.Collect(f.Type().Ins())[len(first):]
	if last := len(types) - 1; f.Type().IsVariadic() {
		types = append(types[:last], slices.Repeat([]reflect.Type{types[last].Elem()}, max(0, len(args)-last))...)
	}
	for i, t := range types {
		pointer := t.Kind() == reflect.Pointer
		if pointer {
			t = t.Elem() // null is the zero value, as with go-socket.io
		}
		v := reflect.New(t)
		if i < len(args) {
			if err := json.Unmarshal(args[i], v.Interface()); err != nil {
				panic(fmt.Sprintf("sockettest: argument %d of %s does not fit the function: %v", i+1, what, err))
			}
		}
		if !pointer {
			v = v.Elem()
		}
		first = append(first, v)
	}
	return f.Call(first)
}

// enqueue has something handled, behind what the client sent before.
func (c *Conn) enqueue(handle func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.closed {
		return // a server does not hand on what comes before its time
	}
	c.queue = append(c.queue, handle)
	if !c.working {
		c.working = true
		go c.work()
	}
}

// work empties the queue.
func (c *Conn) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.working = false
			c.mu.Unlock()
			return
		}
		handle := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		handle()
	}
}

// handle calls the handler of an event.
func (c *Conn) handle(e Event) {
	h, ok := c.server.events[e.Name]
	if s := c.guard.Session(); !ok || s == nil && !h.forGuests || s != nil && !s.Wait() {
		return
	}
	var refuse func(any)
	if e.WantsAck {
		refuse = func(answer any) { c.acknowledge(answer) }
	}
	if !c.guard.Permit(e.Name, refuse) {
		return
	}
	results := call(fmt.Sprintf("the event %q", e.Name), h.f, e.Args, reflect.ValueOf(c))
	if len(results) == 0 || !e.WantsAck {
		return
	}
	values := make([]any, len(results))
	for i, r := range results {
		values[i] = r.Interface()
	}
	c.acknowledge(values...)
}

// acknowledge has the client see the acknowledgement of an event.
func (c *Conn) acknowledge(values ...any) {
	e := newEvent("ack", values)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.receive(e, nil)
	}
}

// welcome begins OnAuthenticated, unless the socket has ended. hasWelcomed ends it.
func (c *Conn) welcome() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.welcoming = !c.closed
	c.welcomed = c.welcoming
	return c.welcoming
}

func (c *Conn) hasWelcomed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.welcoming = false
	c.disconnectedLocked()
}

// disconnectedLocked runs OnDisconnect if it is due: behind OnAuthenticated.
func (c *Conn) disconnectedLocked() {
	if f := c.server.onDisconnect; f != nil && c.closed && c.welcomed && !c.welcoming {
		c.welcomed = false
		go f(c, c.reason)
	}
}
