-- fake_headers - headers as scripts read them, from a plain table: a name in any letter case, and a
-- text, or a list of texts for a field that comes more than once. A backend behind CGI takes X_User
-- for X-User.
local function signs(name) return (name:lower():gsub("[^%w]", "-")) end

return function(given)
  local lists, alike = {}, {}
  for name, value in pairs(given or {}) do
    local list = type(value) == "table" and value or { value }
    lists[name:lower()] = list
    alike[signs(name)] = (alike[signs(name)] or 0) + #list
  end

  local methods = {}
  function methods.all(_, name) return { unpack(lists[name:lower()] or {}) } end
  function methods.one(_, name)
    local list = lists[name:lower()] or {}
    if #list > 0 and alike[signs(name)] > 1 then return nil, "repeated" end
    return list[1]
  end

  function methods.each()
    local names = {}
    for name in pairs(lists) do names[#names + 1] = name end
    table.sort(names)
    local at, i = 1, 0
    return function()
      i = i + 1
      if names[at] and i > #lists[names[at]] then at, i = at + 1, 1 end
      if names[at] then return names[at], lists[names[at]][i] end
    end
  end

  return setmetatable({}, {
    __index = function(_, name)
      if methods[name] then return methods[name] end
      local list = lists[name:lower()]
      if not list or #list == 1 or name:lower() == "set-cookie" then return list and list[1] end
      return table.concat(list, name:lower() == "cookie" and "; " or ", ")
    end,
    methods = methods, -- for specs that list them
  })
end
