package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

const (
	// checkEvery is how often a process asks Redis whether it still has the list,
	// and itself whether it still hears the channel.
	checkEvery = time.Second

	// answerTimeout is how long the answer may take before Redis counts as out of
	// reach.
	answerTimeout = 5 * time.Second

	// settleTime is how long after the loss of a list a process waits for others
	// to put back what they know. It covers the time in which those notice the
	// loss and reconnect.
	settleTime = 5 * time.Second

	// keepExpired is how long a revocation stays in Redis after it has expired: for
	// processes whose clock is slow.
	keepExpired = time.Hour

	pageSize  = 4000 // members of a page when the list is read
	batchSize = 500  // revocations that are put back in one command
)

// Store is a [socketio.RevocationStore] in Redis. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	key     string // of the sorted set
	channel string // of its news

	mu   sync.Mutex // guards the rest
	idle []string   // names of earlier runs of Sync
}

// name returns a name by which others know a run of Sync. It is that of an earlier run
// that has ended, if there is one: what that has left in the list keeps nobody waiting
// for longer than the run that takes its place.
func (s *Store) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return rand.Text()
	}
	name := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return name
}

func (s *Store) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, name)
}

var _ socketio.RevocationSyncer = (*Store)(nil)

// New makes a store from a client, which the caller closes, and the key of the
// list, such as "chat:revocations". Processes with the same key and database
// number share their revocations. Anyone who can write the key can end sessions;
// deleting it brings nobody back while a process that knows the list is running.
//
// New returns an error wrapping [socketio.ErrStoreMisconfigured] if Redis answers
// within a second and its eviction policy may evict the list. If Redis is out of
// reach, [socketio.Registry.Err] returns that error later.
func New(client redis.UniversalClient, key string) (*Store, error) {
	if isNil(client) {
		return nil, errors.New("redisstore: New: the client is nil")
	}
	if key == "" {
		return nil, errors.New("redisstore: New: the key is empty")
	}
	s := &Store{client: client, key: key, channel: channelOf(client, key)}
	if err := checkPolicy(client, noneOf("allkeys-")); err != nil {
		return nil, fmt.Errorf("redisstore: New: %w", err)
	}
	return s, nil
}

// Put stores a revocation and publishes it in one step.
func (s *Store) Put(ctx context.Context, r socketio.Revocation) error {
	return s.put(ctx, s.client, r)
}

func (s *Store) put(ctx context.Context, client redis.UniversalClient, all ...socketio.Revocation) error {
	args := []any{s.channel, int(keepExpired.Seconds()), time.Now().Unix()}
	for _, r := range all {
		member, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("redisstore: %w", err)
		}
		args = append(args, r.Expires.Unix()+1, member) // rounded up
	}
	if err := putScript.Run(ctx, client, []string{s.key}, args...).Err(); err != nil {
		return fmt.Errorf("redisstore: Put: %w", err)
	}
	return nil
}

// Follow is Sync for a caller that knows no revocations.
func (s *Store) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	return s.Sync(ctx, &socketio.RevocationSync{
		Begin:   func() bool { return false },
		Apply:   apply,
		Missing: func() iter.Seq[socketio.Revocation] { return func(func(socketio.Revocation) bool) {} },
		Clock:   func(time.Time) {},
		Synced:  synced,
	})
}

// Sync subscribes to the channel, reads the list, puts back what it lacks, waits
// until other processes have done the same if the list is new, and then listens.
func (s *Store) Sync(ctx context.Context, to *socketio.RevocationSync) error {
	f, err := s.newFollower(ctx, to)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.follow(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return ctx.Err()
}

// member is the JSON form of a member of the sorted set: a revocation, or the
// mark of the list, or the mark of a process that puts back what it knows.
type member struct {
	socketio.Revocation
	List      string `json:"list,omitempty"`      // the list's own id
	Run       string `json:"run,omitempty"`       // the Redis process that had it last
	Since     int64  `json:"since,omitempty"`     // when List or Run became that, in Unix milliseconds
	Restoring string `json:"restoring,omitempty"` // the process
}

func (m *member) isMark() bool { return m.List != "" || m.Restoring != "" }

// decode reads a member. One that this version does not understand completely is
// an error: it may revoke more or less than it seems to.
func decode(text string) (m member, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(&m)
	switch {
	case err != nil:
	case d.More():
		err = errors.New("more than one JSON value")
	case m.isMark() && m.Revocation == (socketio.Revocation{}):
	case m.isMark():
		err = errors.New("it is a mark and names claims")
	case m.Issuer == "" && m.Subject == "" && m.SessionID == "" && m.TokenID == "":
		err = errors.New("it names no iss, sub, sid or jti")
	case m.Expires.IsZero():
		err = errors.New("it has no exp")
	}
	if err != nil {
		return m, fmt.Errorf("a member of the set is not a revocation that this version understands: %w", err)
	}
	return m, nil
}

// decodeNews reads a message of the channel: one member, or a list of them.
func decodeNews(payload string, each func(member) error) error {
	members := []json.RawMessage{json.RawMessage(payload)}
	if strings.HasPrefix(payload, "[") {
		members = nil
		if err := json.Unmarshal([]byte(payload), &members); err != nil {
			return fmt.Errorf("a message of the channel is not a revocation: %w", err)
		}
	}
	for _, text := range members {
		m, err := decode(string(text))
		if err == nil {
			err = each(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
