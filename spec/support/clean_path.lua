-- clean_path - what ctx.clean_path is, in plain Lua: core/http/path.c has the real one, and a spec
-- compares them.
--
--   local path, fault = clean_path "/a/%2e%2e/admin;x"     "/admin"; or nil and why

-- The end of the character that begins there; nil: none does (RFC 3629, 4).
local function character_end(text, at)
  for _, kind in ipairs {
    "^[%z\1-\127]", "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]",
    "^[\225-\236\238\239][\128-\191][\128-\191]",
    "^\237[\128-\159][\128-\191]", "^\240[\144-\191][\128-\191][\128-\191]",
    "^[\241-\243][\128-\191][\128-\191][\128-\191]", "^\244[\128-\143][\128-\191][\128-\191]",
  } do
    local _, last = text:find(kind, at)
    if last then return last end
  end
end

local function is_utf8(text)
  local at = 1
  while at <= #text do
    local last = character_end(text, at)
    if not last then return false end
    at = last + 1
  end
  return true
end

-- The segment, decoded, and without its parameters; or nil and what is wrong.
local function decoded(raw)
  if raw:gsub("%%%x%x", ""):find("%", 1, true) then return nil, "a '%' without two hex digits" end
  local hidden = "%%2[fF]"
  if raw:find(hidden) then return nil, "an encoded '/' (%2f)" end
  local function decode(text)
    return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
  end
  local whole, before = decode(raw), decode(raw:match "^[^;]*")
  if whole:find "[%z\1-\31\127\\]" then return nil, "a byte that hides" end
  if not is_utf8(whole) then return nil, "bytes that are not UTF-8" end
  if whole:find "^%.%.?;" then return nil, "dots before a ';'" end
  return before
end

return function(path)
  if path == "*" then return path end
  local kept, behind, name = {}, 0, nil
  for raw in (path:gsub("^/", "") .. "/"):gmatch "([^/]*)/" do
    local fault
    name, fault = decoded(raw)
    if not name then return nil, fault end
    if name == ".." then
      if #kept == 0 then return nil, "'..' above the root" end
      if #kept <= behind then return nil, "'..' over '//'" end
      table.remove(kept)
    elseif name == "" then
      behind = #kept
    elseif name ~= "." then
      kept[#kept + 1] = name
    end
  end
  local ends_open = #kept > 0 and (name == "" or name == "." or name == "..")
  return "/" .. table.concat(kept, "/") .. (ends_open and "/" or "")
end
