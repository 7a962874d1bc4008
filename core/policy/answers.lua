-- answers - those that a script gives itself: ctx:respond, ctx:reject and ctx:redirect.
--
-- Checked here for the sake of the message and its line; C checks them again when they are given.
local prelude = ...

local C = prelude.ffi.C
local complain, read_only, raw_metatable = prelude.complain, prelude.read_only, prelude.raw_metatable
local error, getmetatable, pairs, rawget = error, getmetatable, pairs, rawget
local setmetatable, tostring, type = setmetatable, prelude.tostring, type
local ceil, find, floor, format, lower = math.ceil, string.find, math.floor, string.format, string.lower

prelude.ffi.cdef "uint32_t policy_answer_fault(const char *name, size_t length);"

local BAD_NAME, OURS = 1, 3 -- enum field_fault

-- What an answer says is in its metatable, which no script can reach.
local ANSWER = {}

local function answer_index() complain("an answer can only be returned") end
local answer_newindex = read_only "an answer"
local methods = {}

-- The checks raise errors at the line that called the ctx's method: level 4 from here.
local function refuse(text, ...) error(format(text, ...), 4) end

local function check_names(what, given, known)
  if type(given) ~= "table" then refuse("%s needs a table, got %s", what, type(given)) end
  for name in pairs(given) do
    if not known[name] then
      refuse("%s: unknown field '%s'%s", what, tostring(name),
        type(name) == "string" and prelude.did_you_mean(name, prelude.names_of(known)) or "")
    end
  end
end

local function check_status(what, status, least, most)
  if type(status) ~= "number" or floor(status) ~= status or status < least or status > most then
    refuse("%s: a status is a whole number from %d to %d, got %s", what, least, most, tostring(status))
  end
end

local function check_text(what, name, text)
  if type(text) == "number" then return tostring(text) end
  if type(text) ~= "string" then refuse("%s: %s is a text, not a %s", what, name, type(text)) end
  return text
end

-- The same one call deeper.
local function refuse_field(text, ...) error(format(text, ...), 5) end

local function add_field(what, fields, name, value)
  local fault = type(name) == "string" and C.policy_answer_fault(name, #name) or BAD_NAME
  if fault == BAD_NAME then refuse_field("%s: '%s' is no header's name", what, tostring(name)) end
  if fault == OURS then refuse_field("%s: the header '%s' is set by lb itself", what, name) end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then refuse_field("%s: the header '%s' is a %s, not a text", what, name, type(value)) end
  if find(value, "[%z\r\n]") then refuse_field("%s: the header '%s' has a line end or a NUL in it", what, name) end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

local function answer(status, fields, body, why)
  return setmetatable({}, {
    mark = ANSWER, status = status, fields = fields, body = body, why = why,
    __index = answer_index, __newindex = answer_newindex, __metatable = false,
  })
end

-- A ctx hides its metatable; what came in its place with a dot for the colon does not.
local function check_colon(ctx, what)
  if type(ctx) ~= "table" or getmetatable(ctx) ~= false then refuse("write %s(..), with a colon", what) end
end

-- The fields that a script gives, name, value, name, ..
local function fields_of(what, headers)
  local fields = {}
  if headers == nil then return fields end
  if type(headers) ~= "table" then refuse("%s: headers is a table, not a %s", what, type(headers)) end
  for name, value in pairs(headers) do
    -- A list is a header that comes more than once.
    if type(value) ~= "table" then value = { value } end
    for i = 1, #value do add_field(what, fields, name, value[i]) end
  end
  return fields
end

local RESPOND_FIELDS = { status = true, headers = true, body = true, why = true }

function methods.respond(ctx, given)
  local what = "ctx:respond"
  check_colon(ctx, what)
  check_names(what, given, RESPOND_FIELDS)
  local status = given.status == nil and 200 or given.status
  check_status(what, status, 200, 599)
  local body = check_text(what, "body", given.body == nil and "" or given.body)
  if body ~= "" and (status == 204 or status == 205 or status == 304) then
    complain("%s: an answer with status %d has no body", what, status)
  end
  local fields = fields_of(what, given.headers)
  local why = given.why ~= nil and check_text(what, "why", given.why) or nil
  return answer(status, fields, body, why)
end

local REJECT_FIELDS = { retry_after = true, why = true, headers = true }

function methods.reject(ctx, status, given)
  local what = "ctx:reject"
  check_colon(ctx, what)
  check_status(what, status, 400, 599)
  given = given or {}
  check_names(what, given, REJECT_FIELDS)
  local fields = fields_of(what, given.headers)
  for i = 1, #fields, 2 do
    local name = lower(fields[i])
    if name == "content-type" then
      complain("%s: the body is lb's own, and so is 'Content-Type'; ctx:respond has a body", what)
    elseif name == "retry-after" and given.retry_after ~= nil then
      complain("%s: Retry-After is given twice, as retry_after too", what)
    end
  end
  if given.retry_after ~= nil then
    local seconds = given.retry_after
    if type(seconds) ~= "number" or not (seconds >= 0 and seconds < 2 ^ 31) then
      complain("%s: retry_after is a number of seconds, got %s", what, tostring(seconds))
    end
    add_field(what, fields, "Retry-After", format("%d", ceil(seconds)))
  end
  local why = given.why ~= nil and check_text(what, "why", given.why) or nil
  return answer(status, fields, "", why) -- the body is lb's own for that status
end

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

function methods.redirect(ctx, url, status)
  local what = "ctx:redirect"
  check_colon(ctx, what)
  if status == nil then status = 302 end
  if not REDIRECTS[status] then
    complain("%s: a status is 301, 302, 303, 307 or 308, got %s", what, tostring(status))
  end
  local fields = {}
  if type(url) ~= "string" or not find(url, "^[\33-\126]+$") then
    complain("%s: expected a URL, got %s", what, format("%q", tostring(url)))
  end
  add_field(what, fields, "Location", url)
  return answer(status, fields, "")
end

-- What it says, if it is one: status, fields (name, value, name, ..), body and perhaps why.
local function contents_of(given)
  local meta = raw_metatable(given)
  if meta and rawget(meta, "mark") == ANSWER then return meta end
  return nil
end

return { methods = methods, contents_of = contents_of }
