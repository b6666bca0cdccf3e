-- Writes an entry unless the cache holds one of a later epoch, or a newer reading of the same place: a higher version
-- or, at the same version, one with fewer pending parts (live beats armed). A write that comes late must not replace
-- what was acknowledged since. ARGV[6] = 1 writes over whatever is there, and so does an entry over what is none of
-- ours at all.
local place, version, pending = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[6] == '1' or redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  redis.call('UNLINK', KEYS[1])
else
  local held = redis.call('HMGET', KEYS[1], 'place', 'version', 'pending', 'epoch')
  if (tonumber(held[4]) or 0) > tonumber(ARGV[7]) then
    return
  end
  if held[1] == place then
    local held_version, held_pending = tonumber(held[2]) or 0, tonumber(held[3]) or 0
    if held_version > version or (held_version == version and held_pending < pending) then
      return
    end
  end
end
redis.call('HSET', KEYS[1], 'place', place, 'epoch', ARGV[7], 'version', ARGV[2], 'pending', ARGV[3], 'entry', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
