package redisstore

import "github.com/redis/go-redis/v9"

// The keys of a presence have one hash tag, so that a script can use them all:
//
//	{p}:nodes          sorted set: each process and the end of its lease, in
//	                   milliseconds; -1 while its sessions are being forgotten
//	{p}:sessions       hash: each session's id and JSON
//	{p}:node:<node>    set: the sessions of a process
//	{p}:user:<user>    sorted set: the sessions of a user in a namespace, by their begin
//	{p}:sub:<sub> ...  sets: the sessions by sub, sid, jti, ns
//	{p}:inbox:<node>   list: what others ended ("why id") or doubt ("?id"), for a process to read
//	{p}:asked:<id>     string: since when others are asked on behalf of a session, for 10 s
//	{p}:ended          sorted set: what was ended in the last minute, by when

// presenceLibrary is at the head of each script.
const presenceLibrary = `
local p = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local nodes, sessions = p .. ':nodes', p .. ':sessions'

local function userKey(s)
  local iss = s.iss or ''
  return p .. ':user:' .. (s.ns or '') .. '\n' .. #iss .. '\n' .. iss .. s.sub
end

local lives = {}
local function alive(node)
  if lives[node] == nil then
    lives[node] = tonumber(redis.call('ZSCORE', nodes, node) or '-1') >= now
  end
  return lives[node]
end

local kinds = {'sub', 'sid', 'jti', 'ns'}
local function forget(id, s)
  redis.call('HDEL', sessions, id)
  redis.call('SREM', p .. ':node:' .. s.node, id)
  if s.sub then redis.call('ZREM', userKey(s), id) end
  for _, kind in ipairs(kinds) do
    if s[kind] then redis.call('SREM', p .. ':' .. kind .. ':' .. s[kind], id) end
  end
end

local function get(id)
  local text = redis.call('HGET', sessions, id)
  return text and cjson.decode(text)
end

local function put(id, s, text)
  local old = get(id)
  if old then forget(id, old) end
  redis.call('HSET', sessions, id, text)
  redis.call('SADD', p .. ':node:' .. s.node, id)
  if s.sub then redis.call('ZADD', userKey(s), s.began, id) end
  for _, kind in ipairs(kinds) do
    if s[kind] then redis.call('SADD', p .. ':' .. kind .. ':' .. s[kind], id) end
  end
end

local function finish(id, s, why, channel)
  forget(id, s)
  redis.call('ZADD', p .. ':ended', now, id)
  if alive(s.node) then
    redis.call('RPUSH', p .. ':inbox:' .. s.node, why .. ' ' .. id)
    redis.call('PUBLISH', channel .. '#' .. s.node, '')
  end
end

-- others returns the live sessions of a user but one, oldest first: each its id and itself.
local function others(s, id)
  local live = {}
  for _, other in ipairs(redis.call('ZRANGE', userKey(s), 0, -1)) do
    local o = get(other)
    if not o then
      redis.call('ZREM', userKey(s), other)
    elseif not alive(o.node) then
      forget(other, o)
    elseif other ~= id then
      live[#live + 1] = {other, o}
    end
  end
  return live
end

-- sweep forgets some sessions of processes whose lease is over, and returns how many.
local function sweep()
  redis.call('ZREMRANGEBYSCORE', p .. ':ended', '-inf', now - 60000)
  local budget = 500
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', '(' .. string.format('%.0f', now))) do
    redis.call('ZADD', nodes, -1, node)
    local ids = redis.call('SPOP', p .. ':node:' .. node, budget)
    for _, id in ipairs(ids) do
      local s = get(id)
      if s and s.node == node then forget(id, s) end
    end
    budget = budget - #ids
    if budget <= 0 then return 500 end
    redis.call('ZREM', nodes, node)
    redis.call('DEL', p .. ':inbox:' .. node)
  end
  return 500 - budget
end
`

// presenceCall is for scripts that a process runs for itself. ARGV: the process, its
// lease in milliseconds, the channel, and what the script adds. Such a script returns
// first whether the process was forgotten.
const presenceCall = presenceLibrary + `
local node, channel = ARGV[1], ARGV[3]
local score = redis.call('ZSCORE', nodes, node)
local forgotten = (not score or tonumber(score) < 0) and 1 or 0
redis.call('ZADD', nodes, string.format('%.0f', now + tonumber(ARGV[2])), node)
`

var (
	// beginScript adds a session: its id, its JSON, the limit, and whether the oldest
	// ones make room. It returns whether it began, and how many sessions of other
	// processes have yet to give a sign of life.
	beginScript = redis.NewScript(presenceCall + `
local id, s, limit = ARGV[4], cjson.decode(ARGV[5]), tonumber(ARGV[6])
local live = others(s, id)
local excess = #live + 1 - limit
if excess > 0 and ARGV[7] == '0' then
  -- Other processes ask their connections for a sign of life: once for each that wants in.
  local since, asked = tonumber(redis.call('GET', p .. ':asked:' .. id) or '-1'), 0
  for _, l in ipairs(live) do
    local o = l[2]
    if o.node ~= node and (since < 0 or (o.seen or 0) < since) then
      asked = asked + 1
      if since < 0 then
        redis.call('RPUSH', p .. ':inbox:' .. o.node, '?' .. l[1])
        redis.call('PUBLISH', channel .. '#' .. o.node, '')
      end
    end
  end
  if since < 0 and asked > 0 then
    redis.call('SET', p .. ':asked:' .. id, string.format('%.0f', now), 'PX', 10000)
  end
  return {forgotten, 0, asked}
end
for i = 1, excess do finish(live[i][1], live[i][2], 'replaced', channel) end
-- Two of one millisecond, or a clock set back, must not make this one the older.
local newest = redis.call('ZRANGE', userKey(s), -1, -1, 'WITHSCORES')[2]
s.began = math.max(now, tonumber(newest or '0') + 1)
put(id, s, cjson.encode(s))
return {forgotten, 1, 0}`)

	// updateScript removes sessions, their number first, and puts others, each an id and
	// its JSON.
	updateScript = redis.NewScript(presenceCall + `
local removed = tonumber(ARGV[4])
for i = 5, 4 + removed do
  local s = get(ARGV[i])
  if s and s.node == node then forget(ARGV[i], s) end
end
for i = 5 + removed, #ARGV, 2 do
  -- A session that has just been ended must not come back before its node reads of the end.
  if not redis.call('ZSCORE', p .. ':ended', ARGV[i]) then
    local s, old = cjson.decode(ARGV[i + 1]), get(ARGV[i])
    s.seen = now
    if old then s.began = old.began end
    put(ARGV[i], s, cjson.encode(s))
    -- Of a session that was forgotten, newer ones of the user did not know.
    if not old and s.limit and s.sub then
      local live = others(s, '')
      for k = 1, #live - s.limit do finish(live[k][1], live[k][2], 'replaced', channel) end
    end
  end
end
return {forgotten}`)

	// beatScript returns whether there is more to do, how many sessions the process has,
	// and what others ended.
	beatScript = redis.NewScript(presenceCall + `
local inbox = p .. ':inbox:' .. node
local ended = redis.call('LRANGE', inbox, 0, 499)
redis.call('LTRIM', inbox, 500, -1)
local more = (sweep() > 0 or #ended == 500) and 1 or 0
local answer = {forgotten, more, redis.call('SCARD', p .. ':node:' .. node)}
for _, e in ipairs(ended) do answer[#answer + 1] = e end
return answer`)

	// sweepScript forgets some sessions of processes that are gone, and of the given one.
	sweepScript = redis.NewScript(presenceLibrary + `
if ARGV[1] ~= '' and redis.call('ZSCORE', nodes, ARGV[1]) then redis.call('ZADD', nodes, -1, ARGV[1]) end
return sweep()`)

	// findScript returns a page of sessions: by kind and name, or of all.
	findScript = redis.NewScript(presenceLibrary + `
local page, step
if ARGV[1] == '' then
  page, step = redis.call('HSCAN', sessions, ARGV[3], 'COUNT', ARGV[4]), 2
else
  page, step = redis.call('SSCAN', p .. ':' .. ARGV[1] .. ':' .. ARGV[2], ARGV[3], 'COUNT', ARGV[4]), 1
end
local answer = {page[1]}
for i = 1, #page[2], step do
  local id = page[2][i]
  local text = step == 2 and page[2][i + 1] or redis.call('HGET', sessions, id)
  if text and alive(cjson.decode(text).node) then
    answer[#answer + 1] = id
    answer[#answer + 1] = text
  end
end
return answer`)

	// endScript ends sessions and returns how many there were. ARGV: the channel, and
	// their ids.
	endScript = redis.NewScript(presenceLibrary + `
local n = 0
for i = 2, #ARGV do
  local s = get(ARGV[i])
  if s then
    if alive(s.node) then n = n + 1 end
    finish(ARGV[i], s, 'ended', ARGV[1])
  end
end
return n`)
)
