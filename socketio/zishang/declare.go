package zishang

import (
	"errors"
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
	matches     func(name string) bool // of dynamic ones
	namespace   socket.Namespace       // the parent of dynamic ones

	mu       sync.Mutex // guards the rest
	children map[string]*child
}

// child is a dynamic namespace.
type child struct {
	users     int        // goroutines that have it; guarded by the declaration's mutex
	mu        sync.Mutex // held while the namespace is made
	namespace socket.Namespace
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
	d := &declaration{authorizer: a, children: make(map[string]*child)}
	if a != nil {
		d.ruledEvents, d.ruledRooms = a.Decides()
	}
	ask := namespace // as the library wants it
	name, named := namespace.(string)
	switch n := namespace.(type) {
	case string:
		if err := engine.CheckNamespace(n); err != nil {
			return fail(fmt.Errorf("%w: expected a slash and printable ASCII without a comma or a question mark", err))
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
	d.namespace = s.io.Of(ask, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !named:
		s.dynamic = append(s.dynamic, d)
	case s.named[name] != nil:
		return fail(errDeclared)
	default:
		s.named[name] = d
	}
	d.namespace.Fns().Unshift(s.arrive) // dynamic ones copy it from their parent
	return d.namespace, nil
}

var (
	errDynamic  = errors.New("expected a string, a *regexp.Regexp or a func(string) bool")
	errDeclared = errors.New("the namespace is declared already")
)

// declaration returns what a namespace is declared as, nil if it is not.
func (s *Server) declaration(name string) *declaration {
	s.mu.RLock()
	d, dynamic := s.named[name], s.dynamic
	s.mu.RUnlock()
	for i := 0; d == nil && i < len(dynamic); i++ {
		if dynamic[i].matches(name) {
			d = dynamic[i]
		}
	}
	return d
}

// has reports whether a namespace of the library's is one of the declaration's.
func (d *declaration) has(n socket.Namespace) bool {
	if parent, ok := d.namespace.(socket.ParentNamespace); ok {
		return parent.Children().Has(n)
	}
	return d.namespace == n
}

// make makes a dynamic namespace if it is not there yet. The library would take the
// first of its parents that matches, in no order. It panics as listeners of
// "new_namespace" do.
func (d *declaration) make(name string) {
	parent, ok := d.namespace.(socket.ParentNamespace)
	if !ok {
		return
	}
	d.mu.Lock()
	c := d.children[name]
	if c == nil {
		c = &child{}
		d.children[name] = c
	}
	c.users++
	d.mu.Unlock()
	defer d.release(c, parent)
	c.mu.Lock() // another client's goroutine may be making it
	defer c.mu.Unlock()
	if !parent.Children().Has(c.namespace) {
		c.namespace = parent.CreateChild(name)
	}
}

// release gives up a child, and now and then forgets those that the library has cleaned up.
func (d *declaration) release(c *child, parent socket.ParentNamespace) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.users--
	if len(d.children) > 2*parent.Children().Len()+minSweep {
		maps.DeleteFunc(d.children, func(_ string, c *child) bool { return c.users == 0 && !parent.Children().Has(c.namespace) })
	}
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
