package jwks

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// fileEvery is how often a file in use is looked at.
const fileEvery = time.Second

// File returns a provider of the keys in the file at path, as [keys.File] loads them: a JWK Set, which
// may hold secrets, or PEM. While it is in use, the file is checked every second, and read again when it
// has changed. If it then cannot be read, or one of its keys cannot be used, the provider reports that
// and uses the keys of before for [MaxStale]. To replace the file, rename another one to its name: a
// file that is written in place can be read half written. The options about HTTP, and TTL, have no
// effect.
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
	f.counters.skipped.Add(uint64(len(loaded.Skipped())))
	c.warnSkipped(path, loaded.Skipped())
	f.next.Store(&pause{c.moment(), fileEvery})
	return &Provider{inner: f, stats: f.counters.stats}, nil
}

type file struct {
	*config
	counters counters
	path     string
	current  atomic.Pointer[fileSet]
	looking  sync.Mutex            // by one at a time
	next     atomic.Pointer[pause] // until the next look; endless during one
}

// fileSet is what was read from the file. Only the goroutine that checks the
// file writes the fields below.
type fileSet struct {
	*keys.Set
	info os.FileInfo // of when it was read

	failed atomic.Pointer[moment] // since when the file cannot be read; nil if it can
	told   atomic.Value           // the failure that was reported last
}

func (f *file) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	set, err := f.set()
	if err != nil {
		return nil, err
	}
	found, err := set.Keys(ctx, t)
	if len(found) > 0 {
		f.counters.hits.Add(1)
	} else {
		f.counters.unknown.Add(1)
	}
	return found, err
}

// hasKey reports whether the key is in the file: see [verifier.KeyChecker].
func (f *file) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	set, err := f.set()
	if err != nil {
		return false, err
	}
	return verifier.HasKey(ctx, set.Set, t, key)
}

// set returns what the file holds, after a look at it if it is time for one.
func (f *file) set() (*fileSet, error) {
	now := f.moment()
	// A clock that is set back may be a test's, whose next look would be far away.
	if next := f.next.Load(); (next.over(now) || now.clock.Before(next.from.clock)) && f.next.CompareAndSwap(next, &pause{time: endless}) {
		f.look(now)
		f.next.Store(&pause{now, fileEvery})
	}
	set := f.current.Load()
	if failed := set.failed.Load(); failed != nil {
		if now.since(*failed) >= f.maxStale {
			return nil, fmt.Errorf("jwks: %s could not be read for %v", f.path, f.maxStale)
		}
		f.counters.stale.Add(1)
	}
	return set, nil
}

// renewNow looks at the file: see [Provider.Refresh].
func (f *file) renewNow(context.Context) error {
	now := f.moment()
	f.next.Store(&pause{now, fileEvery})
	f.look(now)
	if set := f.current.Load(); set.failed.Load() != nil {
		return fmt.Errorf("jwks: %s: %s", f.path, set.told.Load())
	}
	return nil
}

// look reads the file if it has changed.
func (f *file) look(now moment) {
	f.looking.Lock()
	defer f.looking.Unlock()

	old := f.current.Load()
	info, err := os.Stat(f.path)
	if err == nil && old.failed.Load() == nil && os.SameFile(info, old.info) && info.ModTime().Equal(old.info.ModTime()) && info.Size() == old.info.Size() {
		return
	}
	loaded, err := f.load()
	if err != nil {
		f.counters.failures.Add(1)
		if old.failed.CompareAndSwap(nil, &now) || old.told.Load() != err.Error() {
			old.told.Store(err.Error())
			f.tell(Event{Kind: EventFailure, URL: f.path, Keys: old.All(), Err: err}, false)
		}
		return
	}
	f.current.Store(loaded)
	f.counters.skipped.Add(uint64(len(loaded.Skipped())))
	f.tell(Event{Kind: EventFetch, URL: f.path, Keys: loaded.All(), Skipped: loaded.Skipped()}, true)
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
