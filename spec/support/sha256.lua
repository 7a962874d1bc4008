-- sha256 - HMAC-SHA-256 in Lua (RFC 2104, FIPS 180-4), for an lb that is made of Lua only.
--
--   sha256.digest(text)          32 bytes
--   sha256.hmac(key, text)       64 hex digits, as of lb.hmac

local bit = require "bit"
local band, bnot, bxor, ror, rshift = bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift

local sha256 = {}

-- The first 32 bits behind the point of the square (2) or cube (3) roots of the first primes.
local function roots(count, power)
  local list, number = {}, 2
  while #list < count do
    local is_prime = true
    for divisor = 2, math.sqrt(number) do
      if number % divisor == 0 then is_prime = false break end
    end
    if is_prime then list[#list + 1] = math.floor(number ^ (1 / power) % 1 * 2 ^ 32) end
    number = number + 1
  end
  return list
end

local K, START = roots(64, 3), roots(8, 2)

local function word(value)
  return string.char(band(rshift(value, 24), 255), band(rshift(value, 16), 255), band(rshift(value, 8), 255),
    band(value, 255))
end

local function add(state, block)
  local w = {}
  for i = 1, 16 do
    local a, b, c, d = block:byte(4 * i - 3, 4 * i)
    w[i] = bit.tobit(((a * 256 + b) * 256 + c) * 256 + d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    w[i] = bit.tobit(w[i - 16] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + w[i - 7]
      + bxor(ror(y, 17), ror(y, 19), rshift(y, 10)))
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local t1 = h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i]
    local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, bit.tobit(d + t1), c, b, a, bit.tobit(t1 + t2)
  end
  for i, value in ipairs { a, b, c, d, e, f, g, h } do state[i] = bit.tobit(state[i] + value) end
end

function sha256.digest(text)
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. word(math.floor(#text / 2 ^ 29)) .. word(#text * 8)
  local state = { unpack(START) }
  for i = 1, #padded, 64 do add(state, padded:sub(i, i + 63)) end
  for i = 1, 8 do state[i] = word(state[i]) end
  return table.concat(state)
end

local function masked(key, mask) return (key:gsub(".", function(c) return string.char(bxor(c:byte(), mask)) end)) end

function sha256.hmac(key, text)
  if #key > 64 then key = sha256.digest(key) end
  key = key .. ("\0"):rep(64 - #key)
  local mac = sha256.digest(masked(key, 0x5c) .. sha256.digest(masked(key, 0x36) .. text))
  return (mac:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

return sha256
