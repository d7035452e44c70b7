// Package socketio authorizes the sockets of a Socket.IO server, independent of the
// server library. It decides who may connect, when a session ends, and what the
// client is told. A binding (package googollee or zishang) carries that out:
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
// # Contents
//
//   - Authentication: [ByHandshake], [ByEvent], [Optional], [Timeout], [MaxAttempts],
//     [DisconnectNow], [DisconnectAfter], [User]
//   - Sessions: [Session], [ExpiryNotice], [ExpiryGrace], [IgnoreExpiration],
//     [MaxSessionAge], [SameIdentity], [EndOnFailedRenewal]
//   - Ending sessions: [Registry], [Revocation], [BackChannelLogout],
//     [EndOnWithdrawnKey], [EndOnInactiveToken]
//   - Events and rooms: [Allow], [AllowRoom], [Scope], [Permission], [WithDecider],
//     [RoomTokens]
//   - Limits: [SessionLimit], [MaxPending], [MaxFailures], [ClientAddress]
//   - Callbacks: [OnSuccess], [OnRenewed], [OnFailure], [Observe], [Audit],
//     [WithLogger]
//   - Several processes: [RevocationStore], [Presence], [FailureCounter]; package
//     redisstore implements them
//   - For authors of bindings: [New], [Authorizer], [Guard], [Pass], [Socket],
//     [Defaults]
//
// # What it promises
//
// Every rejected client receives the reason and is disconnected within a bounded
// time: a failed attempt does not stop the deadline, a client has few attempts
// ([MaxAttempts]), and a client that never acknowledges "unauthorized" is
// disconnected at the deadline. An error or panic in one of your functions rejects
// only that client.
//
// A session ends with its token and at its [MaxSessionAge]. Its last event is
// "unauthorized", and its end is one step: no event passes between the expiry and the
// disconnect ([Socket]). An "authenticate" on a live session renews its token, for the
// same identity only ([SameIdentity]).
package socketio
