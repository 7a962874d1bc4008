-- overrides - what choose may return with a backend, and on_response with its verdict.
--
-- Returns a function that gives them to C (overrides.c) one by one, and returns a text if something
-- is wrong. Nothing here is called for a choose that returns a backend alone.
local prelude = ...

local ffi = prelude.ffi
local C = ffi.C
local did_you_mean, names_of = prelude.did_you_mean, prelude.names_of
local pairs, rawget, tostring, type = pairs, rawget, prelude.tostring, type
local find, format, lower, sub = string.find, string.format, string.lower, string.sub

ffi.cdef [[
bool policy_override_time(struct binding_call *, uint32_t which, double seconds);
bool policy_override_host(struct binding_call *, const char *text, size_t length);
bool policy_override_path(struct binding_call *, const char *text, size_t length);
uint32_t policy_override_field(struct binding_call *, uint32_t use, const char *name, size_t name_length,
                             const char *value, size_t value_length);
]]

local REQUEST, RESPONSE = 0, 1                        -- enum field_use
local TIMES = { connect = 0, response_head = 1, response_body = 2 }
local DEADLINE = 3
local FAULTS = {                                      -- enum field_fault
  "with '%s', which is no header's name",
  "with a line end or another control byte in '%s'",
  "with '%s', which is set by lb itself",
  "with too much: '%s' has no room left",
}

local function shown(value)
  if type(value) == "string" then
    return format("%q", #value > 60 and sub(value, 1, 60) .. ".." or value)
  end
  return type(value) == "number" and tostring(value) or "a " .. type(value)
end

local function misspelt(what, name, known)
  if type(name) ~= "string" then return format("%s with the key %s", what, shown(name)) end
  return format("%s '%s'%s", what, name, did_you_mean(name, names_of(known)))
end

-- nil if it went well, else what is wrong.

local function read_time(call, name, which, seconds)
  if type(seconds) ~= "number" or not C.policy_override_time(call, which, seconds) then
    return format("%s = %s, expected seconds from 0.001 to 86400", name, shown(seconds))
  end
end

local function read_field(call, of, option, name, value)
  if type(value) == "number" then value = tostring(value) end
  local fault
  if value == false then
    fault = C.policy_override_field(call, of, name, #name, nil, 0)
  elseif type(value) == "string" then
    fault = C.policy_override_field(call, of, name, #name, value, #value)
  else
    return format("%s with '%s' = %s, expected a text, a list of texts, or false", option, name, shown(value))
  end
  if fault ~= 0 then
    local hint = ""
    if fault == 3 and lower(name) == "host" and of == REQUEST then
      hint = " (the option host says another)"
    elseif fault == 3 and lower(name) == "via" then
      hint = " (Via = false leaves it out)"
    end
    return format("%s " .. FAULTS[fault], option, name) .. hint
  end
end

local function read_fields(of, option)
  return function(call, given)
    if type(given) ~= "table" then return format("%s = %s, expected a table", option, shown(given)) end
    for name, value in pairs(given) do
      if type(name) ~= "string" then return format("%s with the key %s, expected names", option, shown(name)) end
      local wrong
      if type(value) == "table" then
        if #value == 0 then wrong = format("%s with '%s' = an empty list; false removes it", option, name) end
        for i = 1, #value do
          local one = rawget(value, i)
          if one == false then one = {} end -- it removes nothing here
          wrong = wrong or read_field(call, of, option, name, one)
        end
      else
        wrong = read_field(call, of, option, name, value)
      end
      if wrong then return wrong end
    end
  end
end

local readers = {
  why = function(call, text)
    if type(text) ~= "string" then return format("why = %s, expected a text", shown(text)) end
    C.policy_answer_why(call, text, #text)
  end,

  timeouts = function(call, given)
    if type(given) ~= "table" then return format("timeouts = %s, expected a table", shown(given)) end
    for name, seconds in pairs(given) do
      local which = TIMES[name]
      if not which then return misspelt("the unknown timeout", name, TIMES) end
      local wrong = read_time(call, "timeouts." .. name, which, seconds)
      if wrong then return wrong end
    end
  end,

  deadline = function(call, seconds) return read_time(call, "deadline", DEADLINE, seconds) end,
  request_headers = read_fields(REQUEST, "request_headers"),
  response_headers = read_fields(RESPONSE, "response_headers"),

  host = function(call, text)
    if type(text) ~= "string" or not C.policy_override_host(call, text, #text) then
      return format("host = %s, expected \"name\" or \"name:port\"", shown(text))
    end
  end,

  path = function(call, text)
    if type(text) ~= "string" or not C.policy_override_path(call, text, #text) then
      local why = type(text) == "string" and find(text, "^/") and " without spaces, '#' or other bytes to be encoded"
        or ""
      return format("path = %s, expected \"/..\"%s", shown(text), why)
    end
  end,
}

local of_response = { response_headers = readers.response_headers } -- what on_response may return

-- is_review: behind a verdict of on_response, else behind a backend.
return function(call, overrides, is_review)
  local behind, known = "a backend", readers
  if is_review then behind, known = "a verdict", of_response end
  if type(overrides) ~= "table" then
    return format("%s and %s, expected options as a table", behind, shown(overrides))
  end
  for name, value in pairs(overrides) do
    local read = known[name]
    if not read then return misspelt(behind .. " and the unknown option", name, known) end
    local wrong = read(call, value)
    if wrong then return behind .. " and " .. wrong end
  end
end
