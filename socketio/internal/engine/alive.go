package engine

import (
	"context"
	"time"
)

// Alive asks the client for a sign of life, and reports whether one came before ctx
// ended. Whatever the client sends is one, and so is a new poll. The question is a ping of
// Engine.IO 4, a ping frame of the websocket, or the end of a poll, after which every
// client polls again.
//
// Two kinds of clients cannot be asked, and Alive returns true at once: one that has yet
// to take what was sent before, and one that waits for the library to take its packets.
func (s *Session) Alive(ctx context.Context) bool {
	s.mu.Lock()
	if s.state >= closing || s.in.waiting > 0 || s.writingLocked() {
		defer s.mu.Unlock()
		return s.state < closing
	}
	if s.heard == nil { // otherwise a question is without an answer
		s.heard = make(chan struct{})
		s.askLocked()
	}
	heard := s.heard
	s.mu.Unlock()
	select {
	case <-heard:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard != heard && s.state < closing // another question, or none: this one is answered
}

// askLocked sends what the client answers.
func (s *Session) askLocked() {
	switch {
	case s.dialect.serverPings:
		s.pingLocked(time.Now())
	case s.link.ws == nil && s.link.polling:
		s.sendLocked(message{text: []byte{typeNoop}})
	default:
		s.sendLocked(websocketPing)
	}
}

// pingLocked sends the ping of Engine.IO 4.
func (s *Session) pingLocked(now time.Time) {
	s.lastPing = now
	s.sendLocked(message{text: []byte{typePing}})
}

// heardLocked notes a sign of life.
func (s *Session) heardLocked(now time.Time) {
	s.lastSeen = now
	s.answerAliveLocked()
}

// answerAliveLocked ends the wait of Alive.
func (s *Session) answerAliveLocked() {
	if s.heard != nil {
		close(s.heard)
		s.heard = nil
	}
}

// pong notes the websocket's answer to a ping.
func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heardLocked(time.Now())
}
