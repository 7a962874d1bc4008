-- shared - what all workers keep together: lb.get and its kin, lb.window, lb.bucket.
--
-- shared/store.c does it, each in one atomic step; here arguments are checked.
local inside, lb = ...

local ffi, segment, complain = inside.ffi, inside.segment, inside.complain
local object_meta, unknown = inside.object_meta, inside.unknown
local C = ffi.C
local error, next, setmetatable, tostring, type = error, next, setmetatable, inside.tostring, type
local find, format, huge, text_of = string.find, string.format, math.huge, ffi.string
local getinfo = inside.getinfo

ffi.cdef [[
struct table_value { uint64_t expires_ms; double number; uint16_t type; uint8_t is_kept, is_sum; uint32_t length;
  char text[1024]; };
struct store_value { uint32_t type; double number; const char *text; size_t length; double ttl; bool is_kept; };
struct store_bucket { const char *name; size_t length; double rate, burst; };
const struct table_value *store_get(void *segment, const char *key, size_t length);
int32_t store_set(void *segment, const char *key, size_t length, const struct store_value *, bool only_if_absent);
int32_t store_remove(void *segment, const char *key, size_t length);
int32_t store_incr(void *segment, const char *key, size_t length, double by, double ttl, double *sum);
int32_t store_window_add(void *segment, const char *name, size_t length, double seconds, double amount, double *sum);
double store_window_get(void *segment, const char *name, size_t length, double seconds);
int32_t store_bucket_take(void *segment, const struct store_bucket *, const char *key, size_t length, double tokens,
                          double *wait);
]]

local NUMBER, BOOLEAN, TEXT = 1, 2, 3            -- enum table_type
local DONE, FULL, PRESENT = 0, 1, 2              -- enum store_outcome; 3: the value is no number
local NAME_MAX, TEXT_MAX = 48, 1024
local SECONDS_MAX = 1e9
local FULL_SECONDS = 1                           -- after which there may be room to count
local result = ffi.new "double[1]"
local given = ffi.new "struct store_value"       -- to one call of store_set

segment = ffi.cast("void *", segment) -- compiled code takes no light userdata

-- A key as text; called by what a script calls. Clients may choose it, so any text is one.
local function key_of(what, key)
  if type(key) == "number" then key = tostring(key) end
  if type(key) ~= "string" then error(what .. " needs a key, got " .. type(key), 3) end
  return key
end

local function is_finite(value) return type(value) == "number" and value > -huge and value < huge end

local function ttl_of(what, ttl, level)
  if ttl == nil then return 0 end
  if type(ttl) ~= "number" or not (ttl > 0 and ttl <= SECONDS_MAX) then
    error(what .. ": the time to live is a number of seconds above 0, got " .. tostring(ttl), level or 3)
  end
  return ttl
end

-- The third argument: a number of seconds, or a table. Gives the seconds and whether it is kept.
local SET_OPTIONS = { ttl = true, keep = true }

local function options_of(what, options)
  if type(options) ~= "table" then return ttl_of(what, options, 4), false end
  for option in next, options do
    if not SET_OPTIONS[option] then
      error(format("%s: unknown field '%s': there is keep, ttl", what, tostring(option)), 3)
    end
  end
  local keep = options.keep
  if keep ~= nil and type(keep) ~= "boolean" then
    error(what .. ": keep is true or false, got " .. tostring(keep), 3)
  end
  return ttl_of(what, options.ttl, 4), keep == true
end

-- Values ------------------------------------------------------------------------------------------

function lb.get(key)
  key = key_of("lb.get", key)
  local value = C.store_get(segment, key, #key)
  if value == nil then return nil end
  if value.type == NUMBER then return value.number end
  if value.type == BOOLEAN then return value.number ~= 0 end
  return text_of(value.text, value.length)
end

local function set(what, key, value, only_if_absent)
  local kind = type(value)
  if kind == "string" then
    if #value > TEXT_MAX then error(what .. ": a text has 1024 bytes at most, not " .. #value, 3) end
    given.type, given.number, given.text, given.length = TEXT, 0, value, #value
  elseif kind == "number" then
    if value ~= value then error(what .. ": nan is not a value", 3) end
    given.type, given.number, given.text, given.length = NUMBER, value, "", 0
  elseif kind == "boolean" then
    given.type, given.number, given.text, given.length = BOOLEAN, value and 1 or 0, "", 0
  else
    error(what .. ": a value is a text, a number or a boolean, not a " .. kind, 3)
  end
  return C.store_set(segment, key, #key, given, only_if_absent)
end

function lb.set(key, value, options)
  key = key_of("lb.set", key)
  given.ttl, given.is_kept = options_of("lb.set", options)
  local outcome
  if value == nil then
    outcome = C.store_remove(segment, key, #key)
  else
    outcome = set("lb.set", key, value, false)
  end
  if outcome == DONE then return true end
  return nil, "full"
end

function lb.add(key, value, options)
  key = key_of("lb.add", key)
  given.ttl, given.is_kept = options_of("lb.add", options)
  local outcome = set("lb.add", key, value, true)
  if outcome == DONE then return true end
  if outcome == PRESENT then return false end
  return nil, "full"
end

function lb.incr(key, by, ttl)
  key, ttl = key_of("lb.incr", key), ttl_of("lb.incr", ttl)
  if by == nil then by = 1 end
  if not is_finite(by) then error("lb.incr adds a number, got " .. tostring(by), 2) end
  local outcome = C.store_incr(segment, key, #key, by, ttl, result)
  if outcome == DONE then return result[0] end
  if outcome == FULL then return nil, "full" end
  error("lb.incr: the value of '" .. key .. "' is no number", 2)
end

-- Windows -----------------------------------------------------------------------------------------

local windows = setmetatable({}, { __mode = "k" }) -- by object: { name =, seconds = }
local window_methods = {}
local window_meta = object_meta("a window", window_methods)

local function window_of(object)
  return windows[object] or error("call it on a window, with a colon: window:add(1)", 3)
end

function window_methods.add(object, amount)
  local window = window_of(object)
  if amount == nil then amount = 1 end
  if not is_finite(amount) then complain("window:add(amount) needs a number, got %s", tostring(amount)) end
  if C.store_window_add(segment, window.name, #window.name, window.seconds, amount, result) == DONE then
    return result[0]
  end
  return nil, "full"
end

function window_methods.get(object)
  local window = window_of(object)
  return C.store_window_get(segment, window.name, #window.name, window.seconds)
end

function lb.window(name, seconds)
  name = key_of("lb.window", name)
  if type(seconds) ~= "number" or not (seconds >= 0.1 and seconds <= SECONDS_MAX) then
    complain("lb.window(name, seconds) needs a number of seconds from 0.1 on, got %s", tostring(seconds))
  end
  local object = setmetatable({}, window_meta)
  windows[object] = { name = name, seconds = seconds }
  return object
end

-- Buckets -----------------------------------------------------------------------------------------

-- By object: { name =, rate =, burst =, is_open =, struct = }.
local buckets = setmetatable({}, { __mode = "k" })
local bucket_methods = {}
local bucket_meta = object_meta("a bucket", bucket_methods)

function bucket_methods.take(object, key, tokens)
  local bucket = buckets[object] or error("call it on a bucket, with a colon: bucket:take(key)", 2)
  key = key_of("bucket:take", key)
  if tokens == nil then tokens = 1 end
  if type(tokens) ~= "number" or not (tokens > 0 and tokens <= bucket.burst) then
    complain("bucket:take(key, n): n is above 0 and at most the burst, %g, got %s", bucket.burst, tostring(tokens))
  end
  local outcome = C.store_bucket_take(segment, bucket.struct, key, #key, tokens, result)
  if outcome == 1 then return true end
  if outcome == 0 then return false, result[0] end
  if bucket.is_open then return true, nil, "full" end
  return false, FULL_SECONDS, "full"
end

-- While a script is loaded, two rates for one name are a mistake: two limits would share a bucket.
-- A hook may change a rate.
local named = {} -- by name: the bucket of the script's top, and its place

local function check_same(name, bucket)
  local before = named[name]
  if before and (before.rate ~= bucket.rate or before.burst ~= bucket.burst) then
    error(format("lb.bucket: '%s' has rate = %s, burst = %s already%s; give one of them another name", name,
      tostring(before.rate), tostring(before.burst), before.place), 3)
  end
  local caller = getinfo(3, "Sl")
  if not before then
    local has_line = caller and caller.currentline > 0
    bucket.place = has_line and format(", at %s:%d", caller.short_src, caller.currentline) or ""
    named[name] = bucket
  end
end

local BUCKET_OPTIONS = { rate = true, burst = true, full = true }

function lb.bucket(name, options)
  if type(name) ~= "string" or #name == 0 or #name > NAME_MAX or find(name, "\0", 1, true) then
    complain("lb.bucket needs a name of 1 to 48 bytes, got %s", tostring(name))
  end
  if type(options) ~= "table" then
    complain("lb.bucket(name, { rate =, burst = }) needs a table, got %s", type(options))
  end
  for option in next, options do
    if not BUCKET_OPTIONS[option] then unknown("lb.bucket", option, BUCKET_OPTIONS) end
  end
  local rate, burst = options.rate, options.burst
  if type(rate) ~= "number" or not (rate >= 1e-6 and rate <= 1e6) then
    complain("lb.bucket: rate is a number a second, from 1e-6 to 1e6, got %s", tostring(rate))
  end
  if burst == nil then burst = rate > 1 and rate or 1 end
  if type(burst) ~= "number" or not (burst >= 1 and burst <= 1e6 and burst / rate <= SECONDS_MAX) then
    complain("lb.bucket: burst is a number from 1 to 1e6, got %s", tostring(burst))
  end
  local full = options.full
  if full ~= nil and full ~= "closed" and full ~= "open" then
    complain('lb.bucket: full is "closed" or "open", got %s', tostring(full))
  end
  local object = setmetatable({}, bucket_meta)
  local bucket = { name = name, rate = rate, burst = burst, is_open = full == "open",
    struct = ffi.new("struct store_bucket", name, #name, rate, burst) }
  if not inside.is_loaded then check_same(name, bucket) end
  buckets[object] = bucket
  return object
end
