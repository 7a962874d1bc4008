-- core/http as a library: structs, heads made of tables, and a parser that is fed in pieces.
local ffi = require "ffi"
local luassert = require "luassert"
local core = require "spec.support.core"

-- Each spec file loads this anew, and a struct can be declared once only.
if not pcall(ffi.new, "struct parse_seen") then
  ffi.cdef [[
struct arena_seen { char *next, *end; void *blocks; };
struct field_seen { struct slice name, value; };
struct head_seen {
  int version;
  struct slice method, target;
  unsigned status;
  struct slice reason;
  struct field_seen *fields;
  unsigned fields_count;
  const unsigned char *kinds;
  uint32_t seen;
};
struct limits_seen { size_t request_line, head, fields; };
struct parse_seen {
  void (*on_body)(struct parse_seen *, const char *start, size_t length);
  struct head_seen head;
  int error;
  const char *why;
  size_t head_bytes;
  bool has_head, has_body, is_chunked, ends_with_connection;
  uint64_t length;
  struct field_seen *trailers;
  unsigned trailers_count;
  char rest[1024]; /* the parser's own, and more */
};
]]
end
-- A callback of LuaJIT's takes no struct, but a slice's two members arrive as the slice does.
-- A function has one declaration in this process: what another spec declares has another name here.
ffi.cdef [[
void http_arena_init(struct arena_seen *, void *first, size_t bytes) __asm__("arena_init");
void http_arena_dispose(struct arena_seen *) __asm__("arena_dispose");
void parse_init_request(struct parse_seen *, const struct limits_seen *, struct arena_seen *,
                        void (*)(struct parse_seen *, const char *, size_t));
void parse_init_response(struct parse_seen *, const struct limits_seen *, struct arena_seen *,
                         bool answers_head, void (*)(struct parse_seen *, const char *, size_t));
void parse_dispose(struct parse_seen *);
int parse_feed(struct parse_seen *, struct slice, size_t *used);
int parse_finish(struct parse_seen *);
bool parse_is_at_start(const struct parse_seen *);
bool parse_agrees(const struct parse_seen *, int framing, uint64_t length);
void *http_map(void *, size_t bytes, int protection, int flags, int fd, long offset) __asm__("mmap");
int http_protect(void *, size_t bytes, int protection) __asm__("mprotect");
]]

local VERSIONS = { [0] = "1.0", "1.1" }
local STEPS = { [0] = "more", "head", "end", "failed" }
local ERRORS = {
  [0] = "ok", "bad", "bad version", "long line", "large head", "many fields", "cut",
}

local http = {}

-- Borrows text, which the caller keeps.
function http.slice(text) return ffi.new("struct slice", text, #text) end

function http.text(slice) return ffi.string(slice.start, slice.length) end

-- Memory of one request.
function http.arena()
  local arena = ffi.gc(ffi.new "struct arena_seen", core.http_arena_dispose)
  core.http_arena_init(arena, nil, 0)
  return arena
end

local VERSION_OF = { ["1.0"] = 0, ["1.1"] = 1, ["2"] = 2 }

-- given: method, target, version, status, reason, and in order the fields, as "name: value".
-- Gives the struct, and what it borrows: keep that as long.
function http.head(given)
  local texts = { method = given.method or "", target = given.target or "", reason = given.reason or "" }
  local head = ffi.new("struct head_seen", { version = VERSION_OF[given.version or "1.1"], status = given.status })
  local fields = ffi.new("struct field_seen[?]", #given + 1)
  for i, field in ipairs(given) do
    local name, value = field:match "^(.-): ?(.*)$"
    fields[i - 1].name, fields[i - 1].value = http.slice(name), http.slice(value)
    texts[i] = { name, value }
  end
  for name, text in pairs { method = texts.method, target = texts.target, reason = texts.reason } do
    head[name] = http.slice(text)
  end
  head.fields, head.fields_count = fields, #given
  return head, { texts, fields }
end

-- "name: value" for each of them.
local function describe_fields(fields, count)
  local lines = {}
  for i = 0, count - 1 do lines[i + 1] = http.text(fields[i].name) .. ": " .. http.text(fields[i].value) end
  return lines
end

-- "GET / 1.1" or "1.1 200 OK", and the fields.
local function describe_head(head, is_response)
  local version = VERSIONS[head.version]
  local line = is_response and { version, head.status, http.text(head.reason) }
    or { http.text(head.method), http.text(head.target), version }
  return table.concat(line, " "), describe_fields(head.fields, head.fields_count)
end

-- One for all parsers, as LuaJIT has few callbacks.
local pieces = {}
local on_body = ffi.cast("void (*)(struct parse_seen *, const char *, size_t)", function(_, start, length)
  table.insert(pieces, ffi.string(start, length))
end)

local borrowed = setmetatable({}, { __mode = "k" })

-- options: response, answers_head, and limits by name. Give it to parse_dispose.
function http.parser(options, arena)
  local limits = ffi.new("struct limits_seen", 8192, 65536, 128)
  for name, value in pairs(options.limits or {}) do limits[name] = value end
  local parse = ffi.new "struct parse_seen"
  if options.response then
    core.parse_init_response(parse, limits, arena, options.answers_head or false, on_body)
  else
    core.parse_init_request(parse, limits, arena, on_body)
  end
  borrowed[parse] = { limits, arena }
  return parse
end

-- Where memory ends that can be read: a head is looked at eight bytes at a time, but no byte behind
-- it.
local ROOM_BYTES, PAGE_BYTES = 1048576, 65536
local READ_WRITE, PRIVATE_ANONYMOUS = 3, 0x22
local room = ffi.cast("char *", ffi.C.http_map(nil, ROOM_BYTES + PAGE_BYTES, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))
assert(ffi.C.http_protect(room + ROOM_BYTES, PAGE_BYTES, 0) == 0)

-- The step, and how many of the bytes were used. A copy of just these bytes is fed, which ends
-- with the call: a parser that keeps them is seen by its result, and a parser that reads beyond
-- them dies.
function http.feed(parse, bytes)
  assert(#bytes <= ROOM_BYTES)
  local used = ffi.new "size_t[1]"
  local copy = room + ROOM_BYTES - #bytes
  ffi.copy(copy, bytes, #bytes)
  local step = STEPS[core.parse_feed(parse, ffi.new("struct slice", copy, #bytes), used)]
  ffi.fill(copy, #bytes, 0x7f)
  return step, tonumber(used[0])
end
jit.off(http.feed) -- it is called back

-- The pieces of bodies that came since this was asked last.
function http.pieces()
  local came = pieces
  pieces = {}
  return came
end

function http.finish(parse) return STEPS[core.parse_finish(parse)] end
jit.off(http.finish)

-- Reads one message as its owners do. cut(at) says where the read ends that begins at byte at;
-- options as for http.parser, and finish: the connection ends behind the bytes; on_head(head) and
-- on_parsed(parse) when the head is complete.
-- Gives what came of it: result ("end", "more" or an error) and why, head and fields, head_bytes,
-- body, trailers if there are any, and the rest that was not used.
function http.read(bytes, cut, options)
  local arena = http.arena()
  local parse = http.parser(options, arena)
  local seen = {}
  local at, read_end = 0, 0
  local step = "more"
  http.pieces()
  while at < #bytes and step ~= "end" and step ~= "failed" do
    if at == read_end then read_end = math.min(#bytes, cut(at)) end
    local used
    step, used = http.feed(parse, bytes:sub(at + 1, read_end))
    at = at + used
    assert(step ~= "more" or used > 0, "more is wanted, and nothing was used")
    if step == "head" then
      assert(not seen.head, "a second head")
      seen.head_bytes = tonumber(parse.head_bytes)
      seen.head = describe_head(parse.head, options.response)
      if options.on_head then options.on_head(parse.head) end
      if options.on_parsed then options.on_parsed(parse) end
      if not parse.has_body then step = "end" end
    end
  end
  if options.finish and step ~= "end" and step ~= "failed" then step = http.finish(parse) end
  seen.result = step == "failed" and ERRORS[parse.error] or step == "end" and "end" or "more"
  seen.why = step == "failed" and ffi.string(parse.why) or nil
  if seen.head then
    -- Looked at only now: none of it may have been in the bytes of a read.
    seen.head, seen.fields = describe_head(parse.head, options.response)
    seen.body = table.concat(http.pieces())
    if parse.trailers_count > 0 then seen.trailers = describe_fields(parse.trailers, parse.trailers_count) end
  end
  if seen.result == "end" then seen.rest = bytes:sub(at + 1) end
  core.parse_dispose(parse)
  core.http_arena_dispose(arena)
  return seen
end

-- What http.read takes as cut, by name; at: one more place to split at.
local function ways_of_reading(bytes, at_split)
  local size = #bytes
  local ways = {
    { "in one piece", function() return size end },
    { "a byte at a time", function(at) return at + 1 end },
    { "three bytes at a time", function(at) return at + 3 end },
    { "a segment at a time", function(at) return at + 1460 end },
  }
  local function add(split)
    table.insert(ways, { "split at " .. split, function(at) return at < split and split or size end })
  end
  for split = 1, size - 1 do
    if size < 600 or split < 100 or split > size - 100 or split % 997 == 0 then add(split) end
  end
  if at_split then add(at_split) end
  return ways
end

-- http.read in one piece; every other way of reading must come to the same. options.split: one
-- more place to split at.
function http.read_every_way(bytes, options)
  local expected
  for _, way in ipairs(ways_of_reading(bytes, options.split)) do
    local how, cut = unpack(way)
    local seen = http.read(bytes, cut, options)
    expected = expected or seen
    luassert.same({ how, expected }, { how, seen })
  end
  return expected
end

return http
