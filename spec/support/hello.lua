-- hello - ClientHellos as bytes, for specs: made, and read by a second reader.
--
--   hello.message { name =, alpn = {}, versions = {}, .. }   the handshake message
--   hello.extension(type, content)                           one more, for `extensions = { .. }`
--   hello.records(message, size)                             in records of so many bytes at most
--   hello.read(bytes)    what C reads: "more", "ready", "bad" or "not tls", and a table
--   hello.fingerprint()  JA4 of what C has read last
--   hello.judge(bytes)   the same of a reader in Lua that shares nothing with it

local ffi = require "ffi"
local core = require "spec.support.core"

if not pcall(ffi.new, "struct tls_hello_seen") then
  ffi.cdef [[
struct tls_hello_seen {
  size_t length;
  char name[254];
  size_t name_length;
  char alpn[256];
  size_t alpn_length;
  unsigned versions;
  bool has_alpn, early_data, psk, ticket;
  const char *why;
  uint8_t alert;
  struct {
    uint16_t version;
    uint8_t suites, extensions, signatures;
    bool has_name, has_too_many;
    char alpn[2];
    uint16_t values[250];
  } traits;
};
struct slice tls_traits_bytes(const void *);
bool tls_fingerprint_write(struct slice traits, char out[36]);
int tls_hello_read(struct slice, struct tls_hello_seen *);
bool tls_hello_offers(const struct tls_hello_seen *, struct slice);
]]
end

local hello = {}

hello.BYTES_MAX = 16384

local STEPS = { [0] = "more", "ready", "bad", "not tls" }

-- --- made ---

local function number(value, bytes)
  local text = ""
  for _ = 1, bytes do
    text = string.char(value % 256) .. text
    value = math.floor(value / 256)
  end
  return text
end

function hello.piece(bytes, text) return number(#text, bytes) .. text end
local piece = hello.piece

function hello.extension(type, content) return number(type, 2) .. piece(2, content) end

function hello.server_name(name, type) return number(type or 0, 1) .. piece(2, name) end

local function extensions(options)
  local list = {}
  local function add(type, content) list[#list + 1] = hello.extension(type, content) end
  if options.name then add(0, piece(2, hello.server_name(options.name))) end
  if options.alpn then
    local names = ""
    for _, name in ipairs(options.alpn) do names = names .. piece(1, name) end
    add(16, piece(2, names))
  end
  if options.versions then
    local versions = ""
    for _, version in ipairs(options.versions) do versions = versions .. number(version, 2) end
    add(43, piece(1, versions))
  end
  for _, extension in ipairs(options.extensions or {}) do list[#list + 1] = extension end
  return table.concat(list)
end

function hello.message(options)
  local body = number(options.version or 0x0303, 2) .. ("r"):rep(32) .. piece(1, options.session or "")
    .. piece(2, options.suites or "\19\1\192\43") .. piece(1, options.compressions or "\0")
  if options.extensions ~= false then body = body .. piece(2, extensions(options)) end
  return number(options.type or 1, 1) .. number(options.length or #body, 3) .. body
end

function hello.records(message, size, version)
  local list = {}
  size = size or 16384
  for from = 1, #message, size do
    list[#list + 1] = "\22\3" .. string.char(version or 1) .. piece(2, message:sub(from, from + size - 1))
  end
  return table.concat(list)
end

-- --- read by C ---

local out = ffi.new "struct tls_hello_seen"

local function names_of(list)
  local names, at = {}, 1
  while at <= #list do
    local length = list:byte(at)
    names[#names + 1] = list:sub(at + 1, at + length)
    at = at + 1 + length
  end
  return names
end

function hello.read(bytes)
  local kept = ffi.new("char[?]", math.max(#bytes, 1)) -- no byte behind it that could be read
  ffi.copy(kept, bytes, #bytes)
  ffi.fill(out, ffi.sizeof(out), 0xa5)
  local step = STEPS[core.tls_hello_read(ffi.new("struct slice", kept, #bytes), out)]
  assert(kept)
  if step == "bad" then return step, { why = ffi.string(out.why), alert = out.alert } end
  if step ~= "ready" then return step, {} end
  return step, {
    length = tonumber(out.length), name = ffi.string(out.name, out.name_length),
    alpn = names_of(ffi.string(out.alpn, out.alpn_length)), versions = out.versions, has_alpn = out.has_alpn,
    early_data = out.early_data, psk = out.psk, ticket = out.ticket,
  }
end

function hello.offers(protocol)
  return core.tls_hello_offers(out, ffi.new("struct slice", protocol, #protocol))
end

-- JA4 of what was read last.
function hello.fingerprint()
  local text = ffi.new("char[36]")
  return core.tls_fingerprint_write(core.tls_traits_bytes(out.traits), text) and ffi.string(text, 36) or nil
end

-- --- read by Lua: what is wrong is the error "bad", what is not there yet the error "more" ---

local Reader = {}
Reader.__index = Reader

local function reader(text) return setmetatable({ text = text, at = 1 }, Reader) end

function Reader:take(count)
  if self.at + count - 1 > #self.text then error("bad", 0) end
  local taken = self.text:sub(self.at, self.at + count - 1)
  self.at = self.at + count
  return taken
end

function Reader:number(bytes)
  local value = 0
  for byte in self:take(bytes):gmatch "." do value = value * 256 + byte:byte() end
  return value
end

function Reader:piece(bytes) return reader(self:take(self:number(bytes))) end
function Reader:is_over() return self.at > #self.text end
function Reader:over() if not self:is_over() then error("bad", 0) end end
function Reader:only(bytes)
  local inner = self:piece(bytes)
  self:over()
  if inner:is_over() then error("bad", 0) end
  return inner
end

local function host(name)
  name = name:gsub("%.$", ""):lower()
  if #name == 0 or #name > 253 or name:find "[^%l%d._-]" or ("." .. name .. "."):find "%.%." then return "" end
  for label in name:gmatch "[^.]+" do
    if #label > 63 or label:find "^%-" or label:find "%-$" then return "" end
  end
  return name:find "%f[^.%z]%d+$" and "" or name
end

local READERS = {
  [0] = function(content, seen)
    local list = content:only(2)
    if list:number(1) ~= 0 then error("bad", 0) end
    seen.name = host(list:only(2).text)
  end,
  [16] = function(content, seen)
    local list, kept = content:only(2), 0
    seen.has_alpn = true
    while not list:is_over() do
      local name = list:piece(1).text
      if name == "" then error("bad", 0) end
      kept = kept + 1 + #name
      if kept <= 256 then seen.alpn[#seen.alpn + 1] = name end
    end
  end,
  [35] = function(content, seen) seen.ticket = #content.text > 0 end,
  [41] = function(_, seen) seen.psk = true end,
  [42] = function(content, seen)
    content:over()
    seen.early_data = true
  end,
  [43] = function(content, seen)
    local list, offered = content:only(1), {}
    while not list:is_over() do offered[list:number(2)] = true end
    seen.versions = (offered[0x0304] and 4 or 0) + (offered[0x0303] and 2 or 0)
      + ((offered[0x0300] or offered[0x0301] or offered[0x0302]) and 1 or 0)
  end,
}

local function read_body(body)
  local seen = { name = "", alpn = {}, has_alpn = false, early_data = false, psk = false, ticket = false }
  local version = body:number(2)
  body:take(32)
  if #body:piece(1).text > 32 then error("bad", 0) end
  local suites = body:piece(2).text
  if #suites == 0 or #suites % 2 ~= 0 or math.floor(version / 256) ~= 3 then error("bad", 0) end
  if not body:piece(1).text:find "%z" then error("bad", 0) end
  seen.versions = version >= 0x0303 and 3 or 1
  if body:is_over() then return seen end
  local list, known = body:piece(2), {}
  body:over()
  while not list:is_over() do
    local type = list:number(2)
    local content = list:piece(2)
    if known[type] and type < 64 or (type == 41 and not list:is_over()) then error("bad", 0) end
    known[type] = true
    if READERS[type] then READERS[type](content, seen) end
  end
  return seen
end

local function read_records(bytes)
  local message, at = "", 1
  while true do
    if at <= #bytes and bytes:byte(at) ~= 22 or at + 1 <= #bytes and bytes:byte(at + 1) ~= 3 then error("bad", 0) end
    if at + 4 > #bytes then error("more", 0) end
    local length = bytes:byte(at + 3) * 256 + bytes:byte(at + 4)
    if length == 0 or length > 16384 then error("bad", 0) end
    local part = bytes:sub(at + 5, at + 4 + length)
    message = message .. part
    at = at + 5 + length
    if #message > 0 and message:byte() ~= 1 then error("bad", 0) end
    local wanted = #message >= 4 and 4 + message:byte(2) * 65536 + message:byte(3) * 256 + message:byte(4)
    if wanted and wanted > 16384 - 5 then error("bad", 0) end
    if #part < length then error("more", 0) end
    if wanted and #message >= wanted then
      if #message > wanted then error("bad", 0) end
      return message, at - 1
    end
  end
end

function hello.judge(bytes)
  if bytes == "" then return "more" end
  if bytes:find "^[%w\r\n]" then return "not tls" end
  local ok, seen = pcall(function()
    local message, length = read_records(bytes:sub(1, hello.BYTES_MAX))
    local found = read_body(reader(message:sub(5)))
    found.length = length
    return found
  end)
  if ok then return "ready", seen end
  if seen == "more" and #bytes >= hello.BYTES_MAX then return "bad" end
  assert(seen == "more" or seen == "bad", seen)
  return seen
end

return hello
