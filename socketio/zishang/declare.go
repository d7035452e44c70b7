package zishang

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// declaration is a namespace that clients may enter, or a set of them.
type declaration struct {
	authorizer *socketio.Authorizer   // nil for a public one
	ruled      bool                   // whether there are rules for rooms
	matches    func(name string) bool // nil for one name
	namespace  socket.Namespace       // the parent of dynamic ones

	mu       sync.Mutex                  // guards the rest
	children map[string]socket.Namespace // dynamic ones
	making   map[string]chan struct{}    // closed when the child of that name is there
}

// declare adds a declaration.
func (s *Server) declare(namespace any, a *socketio.Authorizer) (socket.Namespace, error) {
	fail := func(err error) (socket.Namespace, error) {
		return nil, fmt.Errorf("zishang: the namespace %v: %w", namespace, err)
	}
	if s.err != nil {
		return nil, s.err
	}
	d := &declaration{authorizer: a}
	if a != nil {
		_, d.ruled = a.Decides()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := namespace.(type) {
	case string:
		if err := engine.CheckNamespace(n); err != nil {
			return fail(fmt.Errorf("%w: expected a slash and printable ASCII without a comma or a question mark", err))
		}
		if s.byName[n] != nil {
			return fail(errDeclared)
		}
		d.namespace = s.io.Of(n, nil)
		s.byName[n] = d
	case *regexp.Regexp:
		if n == nil {
			return fail(errDynamic)
		}
		d.matches = n.MatchString
		d.namespace = s.io.Of(n, nil)
	case func(string) bool:
		if n == nil {
			return fail(errDynamic)
		}
		d.matches = n
		match := func(name string, _ map[string]any, next func(error, bool)) { next(nil, n(name)) }
		d.namespace = s.io.Of(socket.ParentNspNameMatchFn(&match), nil)
	default:
		return fail(errDynamic)
	}
	if d.matches != nil {
		d.children, d.making = make(map[string]socket.Namespace), make(map[string]chan struct{})
	}
	d.namespace.Fns().Unshift(s.arrive) // dynamic ones copy it from their parent
	s.declared = append(s.declared, d)
	return d.namespace, nil
}

var errDynamic = fmt.Errorf("expected a string, a *regexp.Regexp or a func(string) bool")

// declaration returns what a namespace is declared as, nil if it is not.
func (s *Server) declaration(name string) *declaration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.byName[name]; d != nil {
		return d
	}
	for _, d := range s.declared {
		if d.matches != nil && d.matches(name) {
			return d
		}
	}
	return nil
}

// has reports whether a namespace of the library's is one of the declaration's.
func (d *declaration) has(n socket.Namespace) bool {
	if parent, ok := d.namespace.(socket.ParentNamespace); ok {
		return parent.Children().Has(n)
	}
	return d.namespace == n
}

// make makes a dynamic namespace if it is not there yet. The library would take the
// first of its parents that matches, in no order.
func (d *declaration) make(name string) {
	parent, ok := d.namespace.(socket.ParentNamespace)
	if !ok {
		return
	}
	d.mu.Lock()
	for n := d.children[name]; n == nil || !parent.Children().Has(n); n = d.children[name] {
		if other := d.making[name]; other != nil {
			d.mu.Unlock()
			<-other
			d.mu.Lock()
			continue
		}
		done := make(chan struct{})
		d.making[name] = done
		d.mu.Unlock()
		n := parent.CreateChild(name)
		d.mu.Lock()
		d.children[name] = n
		delete(d.making, name)
		close(done)
		if len(d.children) > 2*parent.Children().Len()+minSweep {
			for name, n := range d.children {
				if !parent.Children().Has(n) { // it was empty, and cleaned up
					delete(d.children, name)
				}
			}
		}
	}
	d.mu.Unlock()
}

// minSweep is how many names are kept without a look at whether they are in use.
const minSweep = 256

// arrive is the first middleware of every declared namespace. The library calls it while
// the stay's CONNECT is handed to it.
func (s *Server) arrive(so *socket.Socket, next func(*socket.ExtendedError)) {
	c, ok := so.Conn().(*conn)
	if !ok || c.guarded.arrive(so, next) != nil {
		next(socket.NewExtendedError("Invalid namespace", nil))
	}
}
