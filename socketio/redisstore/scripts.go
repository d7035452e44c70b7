package redisstore

import "github.com/redis/go-redis/v9"

// The sorted set has revocations, whose scores are the second of their expiry; the
// mark of the list, with the score +inf; and the marks of processes that are putting
// back what they know, whose scores are the second until which they count, negative.
// All times are those of Redis' own clock.

// putScript stores revocations and publishes those that are new; a single one is
// published in any case. The score of each is its expiry by Redis' clock: the script
// adds what that clock is ahead of the process's.
//
// ARGV: the channel, how long expired ones are kept, the process's clock in seconds,
// and then a score and a member for each.
var putScript = redis.NewScript(`
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - tonumber(ARGV[2]))
local ahead = math.max(0, now - tonumber(ARGV[3]))
local fresh = {}
for i = 4, #ARGV, 2 do
  local score = string.format('%.0f', tonumber(ARGV[i]) + ahead)
  if redis.call('ZADD', KEYS[1], 'NX', score, ARGV[i + 1]) == 1 or #ARGV == 5 then
    fresh[#fresh + 1] = ARGV[i + 1]
  end
end
if #fresh > 0 then
  redis.call('PUBLISH', ARGV[1], '[' .. table.concat(fresh, ',') .. ']')
end
return #fresh`)

// checkScript tells what a follower has to know, and publishes a probe that only the
// follower hears: it shows that the channel and the list are the same server's.
//
// ARGV: the channel, the follower's own channel, the probe, the id of a list that
// has none or had another Redis process ("" to leave that), the follower's own mark
// ("" for none), and until when that counts, from now (0 to remove it).
//
// It returns the mark of the list ("" for none), its age in milliseconds, the Redis
// process, the eviction policy, how many others are putting back, and the time.
var checkScript = redis.NewScript(`
local function decode(mark)
  local ok, list = pcall(cjson.decode, mark)
  if ok and type(list) == 'table' and type(list.since) == 'number' then return list end
  return {since = 0}
end
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or ''
redis.call('PUBLISH', ARGV[2], ARGV[3])

local list = redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')
if ARGV[4] ~= '' and (#list ~= 1 or decode(list[1]).run ~= run) then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '+inf', '+inf')
  list = {'{"list":"' .. ARGV[4] .. '","run":"' .. run .. '","since":' .. string.format('%.0f', now) .. '}'}
  redis.call('ZADD', KEYS[1], '+inf', list[1])
  redis.call('PUBLISH', ARGV[1], list[1])
end
if ARGV[5] ~= '' then
  if ARGV[6] == '0' then
    redis.call('ZREM', KEYS[1], ARGV[5])
  else
    redis.call('ZADD', KEYS[1], -(seconds + tonumber(ARGV[6])), ARGV[5])
  end
end
local restoring = 0
for _, mark in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', -seconds)) do
  if mark ~= ARGV[5] then restoring = restoring + 1 end
end
local age = 0
if list[1] then age = now - decode(list[1]).since end
return {list[1] or '', string.format('%.0f', age), run, policy, restoring, string.format('%.0f', now)}`)

// pageScript reads a page of the set. A script always runs where the set is written,
// while a client may send a mere read to a replica that is behind.
//
// ARGV: the cursor, and about how many members to return.
var pageScript = redis.NewScript(`return redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])`)
