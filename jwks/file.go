package jwks

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// fileEvery is how often a file in use is looked at.
const fileEvery = time.Second

// File returns a provider of the keys in the file at path, as [keys.File] loads
// them: a JWK Set, which may hold secrets, or PEM. While it is in use the file is
// looked at every second, and read again when it has changed. If it then cannot
// be read, or one of its keys cannot be used, that is reported, and the keys
// before go on for [MaxStale]. Replace it by renaming another to its name, lest it
// be read half written. Of the options, those about HTTP and [TTL] mean nothing
// here.
func File(path string, options ...Option) (*Provider, error) {
	c, err := configure("File", options)
	if err != nil {
		return nil, err
	}
	f := &file{config: c, path: path}
	loaded, err := f.load()
	if err != nil {
		return nil, fmt.Errorf("jwks: File: %w", err)
	}
	f.current.Store(loaded)
	f.due.Store(c.now().Add(fileEvery).UnixNano())
	return &Provider{inner: f, stats: f.counters.stats}, nil
}

type file struct {
	*config
	counters counters
	path     string
	current  atomic.Pointer[fileSet]
	due      atomic.Int64 // when to look at it next, in Unix nanoseconds; MaxInt64 while somebody does
}

// fileSet is what was read from the file. Only who looks at the file writes the
// fields below.
type fileSet struct {
	*keys.Set
	info os.FileInfo // of when it was read

	failedAt atomic.Int64 // since when the file cannot be read, in Unix nanoseconds; 0 if it can
	told     string       // the failure that was reported last
}

func (f *file) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	now := f.now()
	// Long before it is due is a clock that was put back.
	if due := f.due.Load(); due != math.MaxInt64 && (now.UnixNano() >= due || now.UnixNano() < due-int64(fileEvery)) && f.due.CompareAndSwap(due, math.MaxInt64) {
		f.look(now)
		f.due.Store(now.Add(fileEvery).UnixNano())
	}
	set := f.current.Load()
	if failed := set.failedAt.Load(); failed != 0 {
		if now.UnixNano() >= failed+int64(f.maxStale) {
			return nil, fmt.Errorf("jwks: %s could not be read for %v", f.path, f.maxStale)
		}
		f.counters.stale.Add(1)
	}
	found, err := set.Keys(ctx, t)
	if len(found) > 0 {
		f.counters.hits.Add(1)
	} else {
		f.counters.unknown.Add(1)
	}
	return found, err
}

// look reads the file if it has changed.
func (f *file) look(now time.Time) {
	old := f.current.Load()
	info, err := os.Stat(f.path)
	if err == nil && old.failedAt.Load() == 0 && os.SameFile(info, old.info) && info.ModTime().Equal(old.info.ModTime()) && info.Size() == old.info.Size() {
		return
	}
	loaded, err := f.load()
	if err != nil {
		f.counters.failures.Add(1)
		if old.failedAt.CompareAndSwap(0, now.UnixNano()) || old.told != err.Error() {
			old.told = err.Error()
			f.tell(Event{Kind: EventFailure, URL: f.path, Keys: old.All(), Err: err}, false)
		}
		return
	}
	f.current.Store(loaded)
	f.tell(Event{Kind: EventFetch, URL: f.path, Keys: loaded.All()}, false)
	before, after := &snapshot{all: old.All()}, &snapshot{all: loaded.All()}
	if !before.sameKeys(after) {
		f.counters.rotations.Add(1)
		f.tell(Event{Kind: EventRotation, URL: f.path, Keys: after.all}, false)
	}
}

// load reads the file. What is said of it is from before it is read, so that a
// change meanwhile is seen the next time.
func (f *file) load() (*fileSet, error) {
	f.counters.fetches.Add(1)
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	set, err := keys.File(f.path)
	if err != nil {
		return nil, err
	}
	return &fileSet{Set: set, info: info}, nil
}
