"""The Lua scripts of the Redis directory. Each touches one user, or the registry (rule 27).

Routes are packed as in whimbrel/core/route.py. Numbers go out as strings: Redis would cut a Lua
number to an integer of its own choosing, and "%.14g" loses digits. Redis TIME is the only
clock: pods' clocks differ.
"""

from __future__ import annotations

from typing import Final

from services.router.domain.routes import LEFT_MS
from whimbrel.core.route import LEFT

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_STORED = """
local function stored()
  local packed = redis.call('HGET', KEYS[1], ARGV[1])
  if not packed then return nil end
  return string.match(packed, '^(%d+)|(%d+)|(%d+)|([^|]*)|([^|]*)|([^|]*)|[^|]*$')
end
"""

_WRITE = """
local function write(epoch)
  local packed = string.format('%.0f|%s|%.0f|%s|%s|%s|%s',
    epoch, ARGV[3], now + ARGV[7], ARGV[4], ARGV[5], ARGV[6], ARGV[8])
  redis.call('HSET', KEYS[1], ARGV[1], packed)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
end
"""

# As domain/platform_limit.py: what a kicked device leaves has no incarnation.
_LIMIT = """
local limit = tonumber(ARGV[9])
local function rivals()
  local found = {}
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local epoch, attempt, expires, pod, incarnation, instance, platform =
      string.match(all[i + 1], '^(%d+)|(%d+)|(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
    if epoch and all[i] ~= ARGV[1] and platform == ARGV[8] and incarnation ~= ''
        and tonumber(expires) > now then
      found[#found + 1] = {device = all[i], epoch = epoch, age = tonumber(epoch),
        attempt = attempt, pod = pod, incarnation = incarnation, instance = instance}
    end
  end
  table.sort(found, function(a, b)
    if a.age ~= b.age then return a.age < b.age end
    return a.device < b.device
  end)
  return found
end
local function kick(device, epoch, attempt, pod, instance)
  redis.call('HSET', KEYS[1], device, string.format('%.0f|%s|%.0f|%s||%s|%s',
    epoch + 1, attempt, now + ARGV[7], pod, instance, ARGV[8]))
end
"""

_SESSION_ARGUMENTS = """
-- KEYS[1] route  ARGV: device, epoch (in an attach the presented one), attempt, pod, incarnation,
-- instance, ttl ms, platform, its limit (0: none), 1 to refuse the new one above it, the epoch
-- that a ticket leaves (0: none)
"""

ATTACH: Final = f"""{_SESSION_ARGUMENTS}{_NOW}{_STORED}{_WRITE}{_LIMIT}
local epoch, attempt, expires, pod, incarnation, instance = stored()
if epoch and instance == ARGV[6] then
  if incarnation == '' then
    if tonumber(expires) > now then return {{'0', pod, instance, '1', {{}}}} end
  elseif tonumber(attempt) > tonumber(ARGV[3]) then
    return {{'0', pod, instance, '', {{}}}}
  end
end
if epoch and incarnation ~= '' and ARGV[11] ~= '0' and epoch ~= ARGV[11]
    and not (instance == ARGV[6] and tonumber(attempt) == tonumber(ARGV[3])) then
  return {{'0', pod, instance, '', {{}}}}
end
local kicked = {{}}
local newest = math.max(tonumber(epoch or -1) + 1, ARGV[2] + 1, now)
if limit > 0 then
  local found = rivals()
  if ARGV[10] == '1' and #found >= limit then return {{'0', '', '', '1', {{}}}} end
  if #found > 0 then newest = math.max(newest, found[#found].age + 1) end
  for i = 1, #found - limit + 1 do
    local loser = found[i]
    kick(loser.device, loser.age, loser.attempt, loser.pod, loser.instance)
    for _, name in ipairs({{'device', 'pod', 'incarnation', 'epoch'}}) do
      kicked[#kicked + 1] = loser[name]
    end
  end
end
write(newest)
-- As domain/routes.left_behind.
if epoch and incarnation ~= '' and epoch == ARGV[11] and pod ~= ARGV[4] then
  redis.call('HSET', KEYS[1], '{LEFT}' .. ARGV[1], string.format('%s|%s|%.0f|%s|%s|%s|{LEFT}',
    epoch, attempt, now + {LEFT_MS}, pod, incarnation, instance))
end
-- A user's devices come and go: routes that ran out go when there are many.
if redis.call('HLEN', KEYS[1]) > 8 then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local expires_at = string.match(all[i + 1], '^%d+|%d+|(%d+)|')
    if not expires_at or tonumber(expires_at) <= now then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return {{string.format('%.0f', newest), pod or '', instance or '', '', kicked}}
"""

REASSERT: Final = f"""{_SESSION_ARGUMENTS}{_NOW}{_STORED}{_WRITE}{_LIMIT}
local epoch, _, _, _, incarnation, instance = stored()
local own = tonumber(ARGV[2])
if epoch and tonumber(epoch) > own then
  return {{epoch, incarnation == '' and '' or instance}}
end
if limit > 0 then
  local newer = 0
  for _, rival in ipairs(rivals()) do
    if rival.age > own or (rival.age == own and rival.device > ARGV[1]) then newer = newer + 1 end
  end
  if newer >= limit then
    kick(ARGV[1], own, ARGV[3], ARGV[4], ARGV[6])
    return {{string.format('%.0f', own + 1), ''}}
  end
end
write(own)
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
