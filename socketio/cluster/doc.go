// Package cluster joins Socket.IO servers on several machines into one: an event
// that one node broadcasts reaches the clients of all nodes. It speaks the wire
// format of npm's @socket.io/redis-adapter 8 (classic PUB/SUB), so Go nodes, Node.js
// nodes and @socket.io/redis-emitter work together.
//
// Start with [New], which takes a [Broker]: redisstore.NewBroker for Redis, or
// [NewMemory] for tests in one process. Then hand the [Cluster] to the binding of
// your server library, which calls [Cluster.Namespace] for each of its namespaces
// and implements [Local].
//
// # Contents
//
//   - For applications: [New], [Cluster], [Options]; [Broker] is what carries the messages,
//     [Memory] and [NewMemory] are one for a single process
//   - For authors of bindings: [Namespace], [Local], [Socket], [Target], [Handshake],
//     [NewHandshake], [Payload], [NewPayload], [NewValue], [BroadcastLocally], [MissingError]
//   - For authors of brokers: [Broker], [Link], [Topic], [Message]
//
// # What a cluster can do
//
//   - [Namespace.Broadcast] sends an event to all clients, to rooms, except rooms;
//     a socket's ID is a room. Binary arguments stay binary.
//   - [Namespace.BroadcastWithAck] also collects the clients' acknowledgements.
//   - [Namespace.Sockets] lists the sockets of all nodes, [Namespace.Join],
//     [Namespace.Leave] and [Namespace.Disconnect] act on them.
//   - [Namespace.ServerSideEmit] sends an event to the other servers.
//
// # What it promises
//
// A message is delivered at most once and in the order in which one node sent it.
// Nothing is stored: a node that has lost its link misses what is sent meanwhile,
// and the log says so. A message that cannot be understood is logged and dropped.
// No answer to another node carries a credential: see [Handshake].
//
// Anyone who can write to the broker can send to every client and disconnect
// it. Protect it as you protect the servers.
package cluster
