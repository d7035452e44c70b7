// Package socketio authorizes the sockets of a Socket.IO server, whatever the server
// library. It decides which clients may connect, when a session ends, and what the
// client is told. A binding (package googollee or zishang) carries out its decisions:
//
//	server, err := googollee.NewServer(nil)
//	chat, err := server.Authorize("/", v, socketio.ByHandshake(), socketio.SessionLimit(3, socketio.EvictOldest))
//
// A client authenticates in one of two ways, as with the JavaScript package
// socketio-jwt:
//
//   - In the handshake, [ByHandshake]: the token comes with the request or packet
//     that opens the socket. Without a valid token the socket does not open.
//   - By event, [ByEvent]: the socket opens, but sends and receives no events. Until
//     the [Timeout] the client must emit "authenticate" with {"token": "..."}. The
//     answer is "authenticated" or "unauthorized".
//
// In both cases the application gets a [Session]: the token, your user value, and a
// context that ends with the socket.
//
// # Contents: what applications call
//
//   - Authentication: [ByHandshake], [ByEvent], [Optional], [Timeout], [MaxAttempts],
//     [DisconnectNow], [DisconnectAfter], [User], [NeutralMessages]; they are [Option]s.
//     [Authenticator] and [AuthenticatorFunc] stand for the verifier
//   - Sessions: [Session], [ExpiryNotice], [ExpiryGrace], [IgnoreExpiration],
//     [MaxSessionAge], [SameIdentity], [EndOnFailedRenewal], [WithClock]
//   - Ending sessions: [NewRegistry], [Registry], [RegistryOptions], [WithRegistry],
//     [Filter], [Revocation], [BackChannelLogout], [LogoutOptions], [EndOnWithdrawnKey],
//     [EndOnInactiveToken]
//   - Events and rooms: [Allow], [AllowRoom], [WithDecider], [Decider], [DeciderFunc],
//     [Action], [Scope], [Permission], [Cached], [RoomTokens], [OnRoomRevoked]
//   - Limits: [SessionLimit], [LimitPolicy], [MaxPending], [MaxFailures], [ClientAddress],
//     [ShareFailures]
//   - Callbacks: [OnSuccess], [OnRenewed], [OnFailure], [Observe], [Observer], [Audit],
//     [WithLogger]
//
// # Contents: what authors of bindings call
//
// A binding connects a server library to this package. Applications do not need these.
// docs/bindings.md has the order of the calls; package bindingtest tests a binding.
//
//   - [New] returns the [Authorizer] of a namespace; [Defaults] are the options of a binding
//   - [Authorizer.Admit] decides about a handshake and returns a [Pass].
//     [Authorizer.Attach] turns it into a [Guard], the state machine of one [Socket]
//   - A [Socket] may also implement [Liveness] and [RoomLeaver]
//   - [Session.Wait] and [Guard.Permit] stand before each handler, [Guard.Join] before a room;
//     [Authorizer.MayInherit] before a recovery
//
// # Contents: what authors of stores implement
//
// Package redisstore implements these for Redis.
//
//   - Revocations: [RevocationStore], [RevocationSyncer], [RevocationSync]
//   - Sessions of all processes: [Presence], [PresenceFollower], [PresentSession]
//   - Counters: [FailureCounter], [UsedIDs]
//
// # What it promises
//
// Every refused client receives the reason and is disconnected within a bounded
// time: a failed attempt does not stop the deadline, a client has few attempts
// ([MaxAttempts]), and a client that never acknowledges "unauthorized" is
// disconnected at the deadline. An error or panic in one of your functions refuses
// only that client.
//
// A session ends with its token and at its [MaxSessionAge]. Its last event is
// "unauthorized", and its end is one step: no event passes between the expiry and the
// disconnect ([Socket]). An "authenticate" on a live session renews its token, for the
// same identity only ([SameIdentity]).
package socketio
