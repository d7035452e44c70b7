package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// DefaultLease is how long the sessions of a process that says nothing more count.
const DefaultLease = 15 * time.Second

// findPage is about how many sessions are read at once.
const findPage = 1000

// Presence is a [socketio.Presence] in Redis. It is safe for concurrent use.
type Presence struct {
	client  redis.UniversalClient
	base    string // of the keys
	channel string // and "#" and a process
	lease   time.Duration
	node    string // this process

	mu     sync.Mutex                 // guards the rest
	follow *socketio.PresenceFollower // nil while nobody follows
	limits map[string]int             // by namespace, where the oldest make room
}

var _ socketio.Presence = (*Presence)(nil)

// NewPresence makes a presence from a client, which the caller closes, and the prefix
// of its keys, such as "chat:presence". A process tells Redis three times in the lease
// that it is there; the sessions of one that has crashed are gone within the lease, by
// Redis' clock. Zero is [DefaultLease]. Each registry needs its own presence.
//
// Like [New], it returns an error if Redis may evict the keys.
func NewPresence(client redis.UniversalClient, prefix string, lease time.Duration) (*Presence, error) {
	switch {
	case isNil(client):
		return nil, errors.New("redisstore: NewPresence: the client is nil")
	case prefix == "":
		return nil, errors.New("redisstore: NewPresence: the prefix is empty")
	case lease == 0:
		lease = DefaultLease
	case lease < time.Second:
		return nil, fmt.Errorf("redisstore: NewPresence: the lease is %v: expected a second or more", lease)
	}
	if err := checkPolicy(client, noneOf("allkeys-")); err != nil {
		return nil, fmt.Errorf("redisstore: NewPresence: %w", err)
	}
	base := prefix
	if !strings.Contains(base, "{") {
		base = "{" + base + "}"
	}
	return &Presence{client: client, base: base, channel: channelOf(client, prefix), lease: lease, node: rand.Text(), limits: make(map[string]int)}, nil
}

// stored is the JSON form of a session.
type stored struct {
	Node      string `json:"node"`
	Issuer    string `json:"iss,omitempty"`
	Subject   string `json:"sub,omitempty"`
	SessionID string `json:"sid,omitempty"`
	TokenID   string `json:"jti,omitempty"`
	Namespace string `json:"ns,omitempty"`
	Began     int64  `json:"began"` // Unix milliseconds

	// How many sessions a user may have in the namespace, if the oldest make room: a
	// session that was forgotten is counted when it is put again.
	Limit int `json:"limit,omitempty"`
}

func (p *Presence) encode(s socketio.PresentSession) (string, error) {
	p.mu.Lock()
	limit := p.limits[s.Namespace]
	p.mu.Unlock()
	b, err := json.Marshal(stored{p.node, s.Issuer, s.Subject, s.SessionID, s.TokenID, s.Namespace, s.Began.UnixMilli(), limit})
	return string(b), err
}

func decodeSession(id, text string) (socketio.PresentSession, error) {
	var s stored
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return socketio.PresentSession{}, fmt.Errorf("a session of the presence cannot be read: %w", err)
	}
	return socketio.PresentSession{
		ID: id, Issuer: s.Issuer, Subject: s.Subject, SessionID: s.SessionID, TokenID: s.TokenID, Namespace: s.Namespace,
		Began: time.UnixMilli(s.Began).UTC(),
	}, nil
}

// run runs a script for this process and returns what it returned after the first
// value, which says whether Redis had forgotten the process.
func (p *Presence) run(ctx context.Context, script *redis.Script, args ...any) ([]any, error) {
	// A twentieth less, for the time that commands and answers take: sessions of a process
	// that was killed count for nobody who asks when the lease is over.
	args = append([]any{p.node, (p.lease - p.lease/20).Milliseconds(), p.channel}, args...)
	answer, err := script.Run(ctx, p.client, []string{p.base}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("redisstore: presence: %w", err)
	}
	if len(answer) == 0 {
		return nil, errors.New("redisstore: presence: the script returned nothing")
	}
	if answer[0] == int64(1) {
		p.mu.Lock()
		f := p.follow
		p.mu.Unlock()
		if f != nil {
			f.Restore()
		}
	}
	return answer[1:], nil
}

// Begin adds a session if there is room.
func (p *Presence) Begin(ctx context.Context, s socketio.PresentSession, limit int, policy socketio.LimitPolicy) (bool, error) {
	evict, oldest := 0, 0
	if policy == socketio.EvictOldest {
		evict, oldest = 1, limit
	}
	p.mu.Lock()
	p.limits[s.Namespace] = oldest
	p.mu.Unlock()
	text, err := p.encode(s)
	if err != nil {
		return false, err
	}
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		var began, asked int
		answer, err := p.run(ctx, beginScript, s.ID, text, limit, evict)
		if err == nil {
			err = scan(answer, &began, &asked)
		}
		if err != nil || began == 1 || asked == 0 {
			return began == 1, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(pause):
		}
	}
}

// Update adds, replaces and removes sessions of this process.
func (p *Presence) Update(ctx context.Context, put []socketio.PresentSession, removed []string) error {
	args := []any{len(removed)}
	for _, id := range removed {
		args = append(args, id)
	}
	for _, s := range put {
		text, err := p.encode(s)
		if err != nil {
			return err
		}
		args = append(args, s.ID, text)
	}
	_, err := p.run(ctx, updateScript, args...)
	return err
}

// Find returns the sessions that the filter selects. By token id, sid, subject and
// namespace, the first of these that is given, it reads as many as there are of it;
// otherwise all.
func (p *Presence) Find(ctx context.Context, f socketio.Filter) ([]socketio.PresentSession, error) {
	kind, name := "", ""
	switch {
	case f.TokenID != "":
		kind, name = "jti", f.TokenID
	case f.SessionID != "":
		kind, name = "sid", f.SessionID
	case f.Subject != "":
		kind, name = "sub", f.Subject
	case f.Namespace != "":
		kind, name = "ns", f.Namespace
	}
	var found []socketio.PresentSession
	seen := make(map[string]bool) // a page may repeat what another had
	for cursor := "0"; ; {
		answer, err := findScript.Run(ctx, p.client, []string{p.base}, kind, name, cursor, findPage).Slice()
		if err != nil {
			return nil, fmt.Errorf("redisstore: presence: %w", err)
		}
		for i := 1; i+1 < len(answer); i += 2 {
			s, err := decodeSession(fmt.Sprint(answer[i]), fmt.Sprint(answer[i+1]))
			if err != nil {
				return nil, err
			}
			if f.Selects(s) && !seen[s.ID] {
				seen[s.ID] = true
				found = append(found, s)
			}
		}
		if cursor = fmt.Sprint(answer[0]); cursor == "0" {
			return found, nil
		}
	}
}

// Count returns how many sessions the filter selects. Without any field, and by
// only one namespace, it costs no more than asking.
func (p *Presence) Count(ctx context.Context, f socketio.Filter) (int, error) {
	if f != (socketio.Filter{Namespace: f.Namespace}) {
		found, err := p.Find(ctx, f)
		return len(found), err
	}
	if err := p.sweep(ctx); err != nil {
		return 0, err
	}
	cmd := p.client.HLen(ctx, p.base+":sessions")
	if f.Namespace != "" {
		cmd = p.client.SCard(ctx, p.base+":ns:"+f.Namespace)
	}
	n, err := cmd.Result()
	if err != nil {
		err = fmt.Errorf("redisstore: presence: %w", err)
	}
	return int(n), err
}

// End has the processes of the sessions end them.
func (p *Presence) End(ctx context.Context, ids ...string) (int, error) {
	args := []any{p.channel}
	for _, id := range ids {
		args = append(args, id)
	}
	n, err := endScript.Run(ctx, p.client, []string{p.base}, args...).Int()
	if err != nil {
		err = fmt.Errorf("redisstore: presence: %w", err)
	}
	return n, err
}

// Follow tells Redis that the process is there, and takes what others ended.
func (p *Presence) Follow(ctx context.Context, f *socketio.PresenceFollower) error {
	p.mu.Lock()
	if p.follow != nil {
		p.mu.Unlock()
		return fmt.Errorf("redisstore: presence: %w: two registries share it: expected one for each", socketio.ErrStoreMisconfigured)
	}
	p.follow = f
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.follow = nil
		p.mu.Unlock()
	}()
	if err := checkPolicy(p.client, noneOf("allkeys-")); err != nil {
		return fmt.Errorf("redisstore: presence: %w", err)
	}
	err := p.keep(ctx, f)
	if ctx.Err() != nil {
		p.leave()
		return ctx.Err()
	}
	return err
}

// keep renews the lease until ctx ends or that fails.
func (p *Presence) keep(ctx context.Context, f *socketio.PresenceFollower) error {
	sub := subscribe(ctx, p.client, p.channel+"#"+p.node)
	if _, err := sub.ReceiveTimeout(ctx, answerTimeout); err != nil {
		_ = sub.Close()
		return fmt.Errorf("redisstore: presence: %w", err)
	}
	wake, lost := make(chan struct{}, 1), make(chan error, 1)
	var listener sync.WaitGroup
	defer listener.Wait()
	defer sub.Close() // ends a read
	listener.Go(func() {
		for {
			if _, err := sub.Receive(ctx); err != nil {
				lost <- err
				return
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	})
	tick := time.NewTicker(p.lease / 3)
	defer tick.Stop()
	f.Restore() // nobody was told if the process was forgotten meanwhile
	for before, ticked := 0, false; ; {
		there, err := p.beat(ctx, f)
		if err != nil {
			return err
		}
		f.Reached()
		if ticked {
			extra := there - f.Count()
			// A difference that stays is not a session in flight: a command that
			// was given up has been executed late, or keys were lost.
			if extra != 0 && extra == before {
				if err := p.repair(ctx, f); err != nil {
					return err
				}
			}
			before = extra
		}
		ticked = false
		select {
		case <-wake:
		case <-tick.C:
			ticked = true
		case err := <-lost:
			return fmt.Errorf("redisstore: presence: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// beat renews the lease, takes what others ended, and forgets processes whose lease is
// over. It returns how many sessions Redis has of this process.
func (p *Presence) beat(ctx context.Context, f *socketio.PresenceFollower) (there int, err error) {
	for {
		ctx, cancel := context.WithTimeout(ctx, min(answerTimeout, p.lease/3))
		answer, err := p.run(ctx, beatScript)
		cancel()
		if err != nil {
			return 0, err
		}
		var more int
		if err := scan(answer[:min(2, len(answer))], &more, &there); err != nil {
			return 0, err
		}
		for _, v := range answer[2:] {
			if id, ok := strings.CutPrefix(fmt.Sprint(v), "?"); ok {
				f.Doubted(id)
			} else if why, id, ok := strings.Cut(fmt.Sprint(v), " "); ok {
				f.Ended(id, why == "replaced")
			}
		}
		if more == 0 {
			return there, nil
		}
	}
}

// repair removes sessions of this process that it does not have, and puts again those
// that it has.
func (p *Presence) repair(ctx context.Context, f *socketio.PresenceFollower) error {
	f.Restore()
	for cursor := uint64(0); ; {
		ids, next, err := p.client.SScan(ctx, p.base+":node:"+p.node, cursor, "", findPage).Result()
		if err == nil {
			if strangers := f.Unknown(ids); len(strangers) > 0 {
				err = p.Update(ctx, nil, strangers)
			}
		}
		if err != nil {
			return fmt.Errorf("redisstore: presence: %w", err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// sweep forgets processes whose lease is over.
func (p *Presence) sweep(ctx context.Context) error {
	for {
		n, err := sweepScript.Run(ctx, p.client, []string{p.base}, "").Int()
		if err != nil {
			return fmt.Errorf("redisstore: presence: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// leave forgets this process.
func (p *Presence) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for {
		n, err := sweepScript.Run(ctx, p.client, []string{p.base}, p.node).Int()
		if err != nil || n == 0 {
			return // the lease ends it otherwise
		}
	}
}
