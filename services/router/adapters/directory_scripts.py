"""The Lua scripts of the Redis directory. Each touches one user, or the registry (rule 27).

Routes are packed as in domain/routes.py. Numbers go out as strings: Redis would cut a Lua
number to an integer of its own choosing, and "%.14g" loses digits. Redis TIME is the only
clock: pods' clocks differ.
"""

from __future__ import annotations

from typing import Final

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_STORED = """
local function stored()
  local packed = redis.call('HGET', KEYS[1], ARGV[1])
  if not packed then return nil end
  return string.match(packed, '^(%d+)|(%d+)|%d+|([^|]*)|[^|]*|([^|]*)$')
end
"""

_WRITE = """
local function write(epoch)
  local packed = string.format('%.0f|%s|%.0f|%s|%s|%s',
    epoch, ARGV[3], now + ARGV[7], ARGV[4], ARGV[5], ARGV[6])
  redis.call('HSET', KEYS[1], ARGV[1], packed)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
end
"""

ATTACH: Final = f"""{_NOW}{_STORED}{_WRITE}
-- KEYS[1] route  ARGV: device, presented epoch, attempt, pod, incarnation, instance, ttl ms
local epoch, attempt, pod, instance = stored()
if epoch and instance == ARGV[6] and tonumber(attempt) > tonumber(ARGV[3]) then
  return {{'0', pod, instance}}
end
local newest = math.max(tonumber(epoch or -1) + 1, ARGV[2] + 1, now)
write(newest)
-- A user's devices come and go: routes that ran out go when there are many.
if redis.call('HLEN', KEYS[1]) > 8 then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local expires = string.match(all[i + 1], '^%d+|%d+|(%d+)|')
    if not expires or tonumber(expires) <= now then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return {{string.format('%.0f', newest), pod or '', instance or ''}}
"""

REASSERT: Final = f"""{_NOW}{_STORED}{_WRITE}
-- KEYS[1] route  ARGV: device, epoch, attempt, pod, incarnation, instance, ttl ms
local epoch, _, _, instance = stored()
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return {{epoch, instance}} end
write(tonumber(ARGV[2]))
return {{ARGV[2], ARGV[6]}}
"""

DETACH: Final = f"""{_STORED}
-- KEYS[1] route  ARGV: device, epoch
if stored() == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""

REGISTER: Final = f"""{_NOW}
-- KEYS[1] pods  KEYS[2] registry id
-- ARGV: pod, incarnation, packed pod, lease ms, an id for a registry that has none
redis.call('SET', KEYS[2], ARGV[5], 'NX')
local known = 0
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if packed then
  local deadline, incarnation = string.match(packed, '^(%d+)|([^|]*)|')
  if incarnation == ARGV[2] and tonumber(deadline) > now then known = 1 end
end
redis.call('HSET', KEYS[1], ARGV[1],
  string.format('%.0f', now + ARGV[4]) .. '|' .. ARGV[2] .. '|' .. ARGV[3])
if known == 0 then
  -- A newcomer sweeps: pods with names that never return are gone after ten leases.
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local deadline = string.match(all[i + 1], '^(%d+)|')
    if tonumber(deadline) + 10 * ARGV[4] < now then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return {{known, redis.call('GET', KEYS[2])}}
"""

UNREGISTER: Final = """
-- KEYS[1] pods  ARGV: pod, incarnation
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if packed and string.match(packed, '^%d+|([^|]*)|') == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
"""

REGISTRY: Final = f"""{_NOW}
-- KEYS[1] pods  KEYS[2] registry id  ARGV: an id for a registry that has none
redis.call('SET', KEYS[2], ARGV[1], 'NX')
local alive = {{redis.call('GET', KEYS[2])}}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local deadline, start = string.match(all[i + 1], '^(%d+)|[^|]*|()')
  if tonumber(deadline) > now then alive[#alive + 1] = string.sub(all[i + 1], start) end
end
return alive
"""
