// Package engine serves Socket.IO clients to a server library: it owns the
// transports, the packets, the gates and the limits. The library above sees only
// whole packets of clients that were accepted.
//
// A [Server] is the http.Handler that clients talk to. It speaks Engine.IO 3 with
// Socket.IO protocol 4 (clients 1.x and 2.x) and Engine.IO 4 with protocol 5
// (clients 3.x and 4.x) on one path, as the EIO parameter of a request asks. All
// that differs between them is in the type dialect.
//
// A [Session] is one connection: polling, a websocket, or the change from one to
// the other, over one inbound and one bounded outbound queue. [Session.Alive] asks
// its client for a sign of life. A [Stay] is the presence of that client in one
// namespace, from its CONNECT to its end. All that sends to a client, or decides
// about it, is a method of its Stay: the engine looks up a name once, when a packet
// comes in.
//
// The [Library] decides about every stay, and answers its CONNECT
// ([Stay.Accept]). Between client and library stands the stay's [Gate]. Every
// packet of a client is parsed to its last byte; while the gate is Pending nothing
// but "authenticate" comes in and nothing but [Stay.Emit] goes out.
//
// # States
//
// A stay and a session share one enumeration of states.
//
//	stay        event                                  becomes    what happens
//	(none)      CONNECT                                deciding   Library.Decide
//	deciding    refused                                closed     the refusal is sent
//	deciding    DISCONNECT, or CONNECT in protocol 5   closed     the context of Decide ends
//	deciding    admitted                               admitted   Library.Admitted
//	admitted    Accept                                 connected  CONNECT is answered, and what waited sent
//	admitted    Refuse                                 closed     Library.Left; the refusal is sent
//	admitted    Leave                                  closing    Accept first, if something waited
//	connected   Leave                                  closing    Library.Left
//	closing     at once, or after RefusalDelay         closed     DISCONNECT is sent
//	any         DISCONNECT, the session's end          closed     Library.Left, if it was admitted
//
//	session     event                                  becomes    what happens
//	(none)      handshake                              connected  OPEN is sent; in Engine.IO 3 the root is admitted
//	connected   Leave of the root in Engine.IO 3, a    closing    every stay ends; Library.Closed;
//	            retryable Leave, End, a broken rule,              why is sent
//	            a deadline, the client's CLOSE
//	closing     at once, or after RefusalDelay         closing    the last packets are sent (final)
//	closing     they were fetched or answered, or      closed     the transport closes
//	            CloseTimeout
//
// # Locks and goroutines
//
// A session has one mutex, which guards its stays too. It is never held while the
// library is called or while the network is written. The order of locks is: a
// session's, then the server's. The engine is called with any lock of the
// library's held, since it calls nothing back in the same goroutine.
//
// Calls of the library that may take their time run in goroutines that
// [Server.Shutdown] waits for. Decide has one for each stay. Admitted,
// Authenticate, Left, Done and Closed of one session run one after another in one,
// and Packet in another; both exist only while there is something to call. Three
// calls run elsewhere: Decide and Admitted of the root in an Engine.IO 3
// handshake run in the goroutine of its request, and Take of a [Taker] in the one that
// reads from the client.
//
// Every goroutine and timer recovers: a panic is logged and ends that session. An
// idle websocket costs one goroutine, its reader. What is sent is written by the few
// goroutines of the flusher, which exist while there is something to write and never
// wait for a client. A session has a separate writer while its client does not take
// everything at once, for long messages, attachments and compressed ones, and where the
// connection is not the operating system's, such as TLS.
//
// # What it leans on
//
// Of net/http: that a handler may read and write at once, that the deadlines of a
// ResponseController hold until they are set again, and that a request's context
// ends when its client goes. Of gorilla/websocket: one reader and one writer at a
// time, and that Close may be called beside them.
package engine
