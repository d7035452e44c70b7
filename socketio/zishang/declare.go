package zishang

import (
	"fmt"
	"maps"
	"regexp"
	"sync"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// declaration is a namespace that clients may enter, or a set of them.
type declaration struct {
	authorizer  *socketio.Authorizer   // nil for a public one
	ruledEvents bool                   // whether there are rules for events
	ruledRooms  bool                   // whether there are rules for rooms
	matches     func(name string) bool // nil for one name
	namespace   socket.Namespace       // the parent of dynamic ones; guarded by Server.mu until it is set

	mu       sync.Mutex                  // guards the rest
	made     sync.Cond                   // its lock is mu
	children map[string]socket.Namespace // dynamic ones; nil while one is being made
}

// declare adds a declaration. No lock is held while the library is asked, which calls
// listeners of the application's.
func (s *Server) declare(namespace any, a *socketio.Authorizer) (socket.Namespace, error) {
	fail := func(err error) (socket.Namespace, error) {
		return nil, fmt.Errorf("zishang: the namespace %v: %w", namespace, err)
	}
	if s.err != nil {
		return nil, s.err
	}
	d := &declaration{authorizer: a, children: make(map[string]socket.Namespace)}
	d.made.L = &d.mu
	if a != nil {
		d.ruledEvents, d.ruledRooms = a.Decides()
	}
	ask := namespace // as the library wants it
	switch n := namespace.(type) {
	case string:
		if err := engine.CheckNamespace(n); err != nil {
			return fail(fmt.Errorf("%w: expected a slash and printable ASCII without a comma or a question mark", err))
		}
		if !s.reserve(n, d) {
			return fail(errDeclared)
		}
	case *regexp.Regexp:
		if n == nil {
			return fail(errDynamic)
		}
		d.matches = n.MatchString
	case func(string) bool:
		if n == nil {
			return fail(errDynamic)
		}
		d.matches = n
		match := func(name string, _ map[string]any, next func(error, bool)) { next(nil, n(name)) }
		ask = socket.ParentNspNameMatchFn(&match)
	default:
		return fail(errDynamic)
	}
	made := s.io.Of(ask, nil)
	made.Fns().Unshift(s.arrive) // dynamic ones copy it from their parent
	s.mu.Lock()
	defer s.mu.Unlock()
	d.namespace = made
	s.declared = append(s.declared, d)
	return made, nil
}

var errDynamic = fmt.Errorf("expected a string, a *regexp.Regexp or a func(string) bool")

// reserve takes a name, and reports whether nobody had it.
func (s *Server) reserve(name string, d *declaration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] != nil {
		return false
	}
	s.byName[name] = d
	return true
}

// declaration returns what a namespace is declared as, nil if it is not.
func (s *Server) declaration(name string) *declaration {
	s.mu.RLock()
	named, all := s.byName[name], s.declared
	if named != nil && named.namespace == nil {
		named = nil // it is being declared
	}
	s.mu.RUnlock()
	if named != nil {
		return named
	}
	for _, d := range all {
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
	defer d.mu.Unlock()
	for {
		n, known := d.children[name]
		switch {
		case known && n == nil: // another client's goroutine makes it
			d.made.Wait()
		case known && parent.Children().Has(n):
			return
		default:
			d.makeLocked(parent, name)
		}
	}
}

// makeLocked makes a dynamic namespace, without the lock. It panics as listeners of
// "new_namespace" do.
func (d *declaration) makeLocked(parent socket.ParentNamespace, name string) {
	var n socket.Namespace
	d.children[name] = nil
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.children[name] = n
		if len(d.children) > 2*parent.Children().Len()+minSweep {
			maps.DeleteFunc(d.children, func(_ string, n socket.Namespace) bool { // what was empty, and cleaned up
				return n != nil && !parent.Children().Has(n)
			})
		}
		if n == nil {
			delete(d.children, name)
		}
		d.made.Broadcast()
	}()
	n = parent.CreateChild(name)
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
