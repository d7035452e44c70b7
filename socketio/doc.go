// Package socketio authorizes the sockets of a Socket.IO server: whichever
// server that is, the decisions, their order and what the client is told are
// made here, and a binding (package googollee or zishang) only carries them out.
//
// An [Authorizer] guards one namespace. It is built once, of an [Authenticator]
// (a *verifier.Verifier, or anything else that turns a handshake into a token)
// and options. A socket proves itself in one of two ways, those of the
// JavaScript package socketio-jwt:
//
//   - In the handshake: [ByHandshake]. The token comes with the request or
//     packet that opens the socket, and a socket without a good one is never
//     opened.
//   - By event: [ByEvent]. The socket opens, is kept from everything, and has
//     until the [Timeout] to emit "authenticate" with {"token": "..."}. It is
//     answered "authenticated" or "unauthorized".
//
// Either way an application sees a [Session]: the token, the application's own
// user value, and a context that ends with the socket.
//
// # What it promises
//
// Every failure is told to the client, and ends in a disconnect within a bound:
// a failed attempt does not stop the deadline, a client has few attempts
// ([MaxAttempts]), and one that never acknowledges "unauthorized" is
// disconnected all the same. Errors and panics of the application's own
// functions refuse that one client.
//
// # Live sessions
//
// A session ends with its token ([IgnoreExpiration], [ExpiryGrace]), and at a
// [MaxSessionAge]; the client is told before ([ExpiryNotice]). An "authenticate"
// on an authenticated socket renews its token, and only for the same identity
// ([SameIdentity]). The [Registry] knows who is connected, and [Registry.Revoke]
// ends who should not be; [BackChannelLogout] does so as an OpenID provider says.
// An event is handed to the application, or comes from it, only while the session
// lives: its end, "unauthorized" as the last event and the disconnect are one step
// ([Socket]).
package socketio
