// Package sockettest runs an application's own handlers through authorization in
// a test: without a network, without a server library, and under a virtual clock,
// so that a session that ends in an hour ends now.
//
// [NewServer] takes what a binding takes: an authenticator, real (a
// *verifier.Verifier with the keys of a verifiertest.Issuer) or static
// (verifiertest.Accept, verifiertest.Refuse), and options. Its handlers are
// registered as in package googollee. The methods of [Conn], [Server] and [BroadcastOperator]
// are among those of that package's Conn, Namespace and BroadcastOperator, so that a handler
// that takes an interface runs with both. [Server.Connect] is a client with a handshake;
// [Client.Received] is what the client has seen since, in order.
//
//	synctest.Test(t, func(t *testing.T) {
//		server := sockettest.NewServer(verifiertest.Accept(verifiertest.Claims{"sub": "alice"}))
//		server.OnAuthenticated(func(c *sockettest.Conn, s *socketio.Session) error {
//			c.Emit("welcome", s.Token().Subject)
//			return nil
//		})
//		client := server.Connect(nil)
//		client.Authenticate("whatever")
//		fmt.Println(client.Received()) // [connect authenticated welcome "alice"]
//	})
//
// Everything happens in a bubble of testing/synctest: each method of a [Client]
// returns when everything in the bubble has come to rest, and panics outside of
// one. Time passes by time.Sleep, which takes none.
//
// Acknowledgements go both ways: [Client.EmitWithAck] asks a handler, [Client.Acknowledge]
// answers one. Rooms follow the rules of socketio.AllowRoom.
//
// Not simulated are binary data, several nodes, public namespaces, and transports. Test
// these with your server and a real client: see docs/testing.md.
package sockettest
