-- headers - the fields of a head as scripts read them: by name, repeated ones as one value.
--
-- `find(name, from)` gives the first field of that name from that place on, and the place behind it
-- (bindings.c); `field_at(from)` the first one of any name. Their results are valid until they are
-- called again.
local prelude = ...

local complain, WALK = prelude.complain, prelude.WALK
local lower, text_of = string.lower, prelude.ffi.string
local concat, error, setmetatable = table.concat, error, setmetatable
local tostring, type = tostring, type

-- Makes what a hook is shown as `what`. is_only(name): can no other field be taken for that one?
-- instead: what a hook returns to set a field.
return function(what, call, check_fresh, find, is_only, field_at, instead)
  local methods = {}

  local function check_name(headers, name, method)
    if type(headers) ~= "table" then
      error("call it on headers, with a colon: " .. what .. ":" .. method .. "(name)", 3)
    end
    if type(name) ~= "string" then error("a header's name is a text, not a " .. type(name), 3) end
  end

  local function list_of(name)
    local list, from = {}, 0
    repeat
      local found = find(name, from)
      if found == nil then break end
      list[#list + 1] = text_of(found.value.start, found.value.length)
      from = found.next
    until from == 0
    return list
  end

  function methods.all(headers, name)
    check_name(headers, name, "all")
    check_fresh(headers, what)
    return list_of(name)
  end

  function methods.one(headers, name)
    check_name(headers, name, "one")
    check_fresh(headers, what)
    local found = find(name, 0)
    if found == nil then return nil end
    local value = text_of(found.value.start, found.value.length)
    if found.next ~= 0 or not is_only(name) then return nil, "repeated" end
    return value
  end

  -- As they came: a name that came more than once is there more than once.
  function methods.each(headers)
    if type(headers) ~= "table" then complain("call it on headers, with a colon: %s:each()", what) end
    check_fresh(headers, what)
    local from = 0
    return function()
      check_fresh(headers, what)
      local field = field_at(from)
      if field == nil then return nil end
      from = field.next
      return text_of(field.name.start, field.name.length), text_of(field.value.start, field.value.length)
    end
  end

  local meta = {
    [WALK] = "pairs(" .. what .. ") finds nothing: write for name, value in " .. what .. ":each() do",
    __index = function(headers, name)
      check_fresh(headers, what)
      local method = methods[name]
      if method then return method end
      if type(name) ~= "string" then complain("a header's name is a text, not a %s", type(name)) end
      local found = find(name, 0)
      if found == nil then return nil end
      local value = text_of(found.value.start, found.value.length)
      if found.next == 0 then return value end
      name = lower(name)
      if name == "set-cookie" then return value end -- its values may have commas (RFC 9110, 5.3)
      return concat(list_of(name), name == "cookie" and "; " or ", ") -- RFC 9113, 8.2.3
    end,
    __newindex = function(_, name)
      complain("%s is read-only: what sets '%s' is return %s", what, tostring(name), instead)
    end,
    __tostring = function() return what end,
    __metatable = false,
  }

  return function() return setmetatable({ call.number }, meta) end
end
