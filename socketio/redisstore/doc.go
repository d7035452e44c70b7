// Package redisstore shares through Redis what the processes of a cluster must
// know of each other: [New] makes the Store of a socketio.Registry, [NewUsed]
// remembers ids that are good once, and [NewKeySets] has the key sets of package jwks.
//
// # Revocations
//
// Every process keeps all revocations in memory, so that no token costs a round
// trip. Redis has them in a sorted set, and a channel tells of new ones. A process
// reads the whole set, page by page, whenever it has lost the connection, and then
// knows what was revoked meanwhile.
//
// Redis may lose the set. It has a mark, which is gone with it; each process looks
// for the mark every second and puts back what it knows. A process counts as synced
// only when the processes that were connected have had the time to do so.
//
// # Format
//
// A member of the set is a JSON object with the fields iss, sub, sid, jti, before,
// exp, withdrawn and nosid of a socketio.Revocation. A later version may add fields. A
// process that finds a field that it does not know refuses new sessions, since the
// revocation may mean more than it can read: upgrade all processes before you use
// such a field. The channel is the key in braces, "@" and
// the database number.
//
// The scripts need the commands EVAL, EVALSHA, INFO, TIME, PUBLISH, SUBSCRIBE,
// ZADD, ZREM, ZREMRANGEBYSCORE, ZRANGEBYSCORE and ZSCAN.
package redisstore
