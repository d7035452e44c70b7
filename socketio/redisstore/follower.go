package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// restoreLease is how long others wait for a process that is putting back what it
// knows and does not say so again.
const restoreLease = 10 * time.Second

var errTakenOver = errors.New("another Redis has taken over")

// follower is one run of Sync.
type follower struct {
	store  *Store
	to     *socketio.RevocationSync
	ctx    context.Context // ends with the run
	cancel context.CancelCauseFunc
	id     string                // in the name of its channel
	name   string                // of its mark
	watch  redis.UniversalClient // for checks
	sub    *subscription
	tasks  sync.WaitGroup
	heard  chan string   // probes
	hint   chan struct{} // the list is another, says the channel
	apply  sync.Mutex    // one call at a time
	marked time.Time     // when others were last told to wait for this process; zero if they need not
}

// state is what a check tells.
type state struct {
	list      string        // its mark, which tells lists apart
	age       time.Duration // since the list was made, or since Redis was started with it
	run       string        // the Redis process
	restoring int           // how many others are putting back what they know
}

func (s *Store) newFollower(ctx context.Context, to *socketio.RevocationSync) (*follower, error) {
	f := &follower{store: s, to: to, id: rand.Text(), name: s.name(), heard: make(chan string, 1), hint: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.watch = watchClient(s.client)
	// The subscription comes first: what is put while the list is read comes
	// through the channel.
	f.sub = subscribe(f.ctx, s.client, s.channel, f.own())
	for range 2 {
		if _, err := f.sub.ReceiveTimeout(f.ctx, answerTimeout); err != nil {
			f.close()
			return nil, fmt.Errorf("redisstore: subscribe: %w", err)
		}
	}
	f.tasks.Go(f.listen)
	return f, nil
}

// own is the follower's own channel.
func (f *follower) own() string { return f.store.channel + "#" + f.id }

func (f *follower) close() {
	f.cancel(nil)
	_ = f.sub.Close() // ends a read
	f.tasks.Wait()
	f.store.release(f.name)
	if f.watch != f.store.client {
		_ = f.watch.Close()
	}
}

// listen applies what the channel tells, until the run ends.
func (f *follower) listen() {
	for {
		message, err := f.sub.Receive(f.ctx)
		if m, ok := message.(*redis.Message); ok && err == nil {
			if m.Channel == f.own() {
				f.hear(m.Payload)
				continue
			}
			err = decodeNews(m.Payload, f.take)
		}
		if err != nil {
			// The client would reconnect by itself, and nobody would know what was
			// published meanwhile.
			f.cancel(err)
			return
		}
	}
}

func (f *follower) hear(probe string) {
	select {
	case <-f.heard: // an older one
	default:
	}
	f.heard <- probe
}

// take applies one member of the set.
func (f *follower) take(m member) error {
	switch {
	case m.List != "":
		select {
		case f.hint <- struct{}{}:
		default:
		}
	case !m.isMark():
		f.apply.Lock()
		defer f.apply.Unlock()
		f.to.Apply(m.Revocation)
	}
	return nil
}

// follow keeps the process synced, from one list to the next.
func (f *follower) follow() error {
	run := ""
	for {
		known := f.to.Begin()
		st, err := f.check(rand.Text(), known)
		if err != nil {
			return err
		}
		if run != "" && st.run != run {
			return errTakenOver
		}
		run = st.run
		if err := f.read(); err != nil {
			return err
		}
		if err := f.restore(); err != nil {
			return err
		}
		same, err := f.settle(st)
		if err != nil {
			return err
		}
		if !same {
			continue
		}
		f.to.Synced()
		if err := f.stay(st); err != nil {
			return err
		}
	}
}

// check asks Redis how it stands with the list, and waits until the channel has
// brought an answer too. A list that is not there is made, with the id fresh, unless
// that is empty. Others wait while this process is restoring.
func (f *follower) check(fresh string, restoring bool) (state, error) {
	ctx, cancel := context.WithTimeout(f.ctx, answerTimeout)
	defer cancel()
	mark, lease := "", 0
	if restoring {
		lease = int(restoreLease.Seconds())
	}
	if restoring || !f.marked.IsZero() {
		mark = `{"restoring":"` + f.name + `"}`
	}
	probe := rand.Text()
	answer, err := checkScript.Run(ctx, f.watch, []string{f.store.key},
		f.store.channel, f.own(), probe, fresh, mark, lease).Slice()
	if err != nil {
		return state{}, f.cause(err)
	}
	if f.marked = (time.Time{}); restoring {
		f.marked = time.Now()
	}
	var st state
	var age, now int64
	var policy string
	if err := scan(answer, &st.list, &age, &st.run, &policy, &st.restoring, &now); err != nil {
		return state{}, err
	}
	if err := noneOf("allkeys-")(policy); err != nil {
		return state{}, err
	}
	st.age = time.Duration(age) * time.Millisecond
	f.to.Clock(time.UnixMilli(now))
	for {
		select {
		case heard := <-f.heard:
			if heard == probe {
				return st, nil
			}
		case <-ctx.Done():
			return state{}, f.cause(fmt.Errorf("the channel is silent: %w", ctx.Err()))
		}
	}
}

// keepMark has others go on waiting for this process.
func (f *follower) keepMark() error {
	if f.marked.IsZero() || time.Since(f.marked) < restoreLease/4 {
		return nil
	}
	_, err := f.check("", true)
	return err
}

// cause is why the run ended, or err while it goes on.
func (f *follower) cause(err error) error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	return err
}

// read applies the whole list, page by page. A member that cannot be understood is
// an error, but keeps none of the others from being applied.
func (f *follower) read() error {
	var odd error
	for cursor := "0"; ; {
		answer, err := pageScript.Run(f.ctx, f.watch, []string{f.store.key}, cursor, pageSize).Slice()
		if err != nil {
			return f.cause(fmt.Errorf("read the list: %w", err))
		}
		page, ok := answer[1].([]any)
		if !ok {
			return fmt.Errorf("read the list: a page is %T", answer[1])
		}
		for i := 0; i < len(page); i += 2 { // each with its score
			m, err := decode(fmt.Sprint(page[i]))
			if err == nil && m.List == "" {
				err = f.take(m)
			}
			if err != nil {
				odd = err
			}
		}
		if err := f.keepMark(); err != nil {
			return err
		}
		if cursor = fmt.Sprint(answer[0]); cursor == "0" {
			return odd
		}
	}
}

// restore puts back what the list lacks.
func (f *follower) restore() error {
	var batch []socketio.Revocation
	flush := func() error {
		if err := f.store.put(f.ctx, f.watch, batch...); err != nil {
			return f.cause(err)
		}
		f.apply.Lock()
		for _, r := range batch {
			f.to.Apply(r)
		}
		f.apply.Unlock()
		batch = batch[:0]
		return f.keepMark()
	}
	for r := range f.to.Missing() {
		if batch = append(batch, r); len(batch) == batchSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return flush()
}

// settle waits until other processes have put back what they know, and reports
// whether it is still the same list.
func (f *follower) settle(st state) (same bool, err error) {
	for {
		now, err := f.check("", false)
		if err != nil {
			return false, err
		}
		if now.list != st.list || now.run != st.run {
			return false, nil
		}
		if now.age >= settleTime && now.restoring == 0 {
			return true, nil
		}
		if err := f.pause(min(checkEvery, max(settleTime-now.age, checkEvery/10))); err != nil {
			return false, err
		}
	}
}

// stay checks from time to time, until the list is another.
func (f *follower) stay(st state) error {
	for {
		if err := f.pause(checkEvery); err != nil {
			return err
		}
		now, err := f.check("", false)
		switch {
		case err != nil:
			return err
		case now.run != st.run:
			return errTakenOver
		case now.list != st.list:
			return nil
		}
	}
}

// pause waits, but not after a hint that the list is another.
func (f *follower) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	case <-f.hint:
	case <-t.C:
	}
	return nil
}
