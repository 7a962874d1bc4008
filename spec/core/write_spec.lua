-- Numbers and bytes as they are written: chunk sizes, lengths, buffers, arenas.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
size_t write_chunk_size(char *out, uint64_t size);

void buffer_append(struct buffer *, struct slice);
void buffer_append_byte(struct buffer *, char byte);
void buffer_append_number(struct buffer *, uint64_t number);
void buffer_printf(struct buffer *, const char *format, ...);
char *buffer_reserve(struct buffer *, size_t room);

void *arena_alloc(struct arena_seen *, size_t bytes);
void arena_trim(struct arena_seen *, void *end);
void *arena_zalloc(struct arena_seen *, size_t bytes);
struct slice arena_copy(struct arena_seen *, struct slice);
]]

describe("a chunk's size", function()
  local sizes = {
    { 0ULL, "0" }, { 1ULL, "1" }, { 9ULL, "9" }, { 10ULL, "a" }, { 15ULL, "f" }, { 16ULL, "10" }, { 255ULL, "ff" },
    { 256ULL, "100" }, { 500ULL, "1f4" }, { 65535ULL, "ffff" }, { 65536ULL, "10000" },
    { 0xfffffffffULL, "fffffffff" }, { 0x123456789abcdef0ULL, "123456789abcdef0" },
    { 0xffffffffffffffffULL, "ffffffffffffffff" },
  }
  for _, case in ipairs(sizes) do
    local size, expected = unpack(case)
    it("is written as " .. expected, function()
      local out = ffi.new("char[20]", ("?"):rep(19))
      local length = tonumber(core.write_chunk_size(out, size))
      assert.equal(expected .. "\r\n", ffi.string(out, length))
      assert.equal(("?"):rep(19 - length), ffi.string(out + length)) -- and nothing behind it
    end)
  end

  it("is read as it was written", function()
    math.randomseed(3)
    local out = ffi.new "char[18]"
    for _ = 1, 300 do
      local size = math.random(1, 20000)
      local line = ffi.string(out, core.write_chunk_size(out, size))
      local seen = http.read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" .. line .. ("x"):rep(size) ..
        "\r\n0\r\n\r\n", function(at) return at + 5000 end, {})
      assert.same({ "end", size }, { seen.result, #seen.body })
    end
  end)
end)

describe("a buffer", function()
  local buffer

  before_each(function() buffer = ffi.new "struct buffer" end)
  after_each(function() core.buffer_dispose(buffer) end)

  local function text() return ffi.string(buffer.bytes + buffer.start, buffer["end"] - buffer.start) end

  local function consume(bytes) -- as buffer_consume does
    buffer.start = buffer.start + bytes
    if buffer.start == buffer["end"] then buffer.start, buffer["end"] = 0, 0 end
  end

  it("owns nothing until there is something in it", function()
    core.buffer_append(buffer, http.slice "")
    assert.is_true(buffer.bytes == nil)
  end)

  it("takes slices, bytes, numbers and formats", function()
    core.buffer_append(buffer, http.slice "a\0b")
    core.buffer_append_byte(buffer, 0x21)
    core.buffer_append_number(buffer, 0)
    core.buffer_append_number(buffer, 18446744073709551615ULL)
    core.buffer_printf(buffer, "%s-%05d", "x", ffi.new("int", 42))
    assert.equal("a\0b!018446744073709551615x-00042", text())
  end)

  it("takes a format of any length", function()
    local long = ("x"):rep(10000)
    core.buffer_printf(buffer, "<%s>", long)
    assert.equal("<" .. long .. ">", text())
  end)

  it("keeps what is in it, whatever is appended and consumed", function()
    math.randomseed(9)
    local expected = ""
    for step = 1, 5000 do
      if math.random() < 0.55 then
        local piece = string.char(65 + step % 26):rep(math.random(0, math.random() < 0.02 and 5000 or 60))
        core.buffer_append(buffer, http.slice(piece))
        expected = expected .. piece
      elseif #expected > 0 then
        local bytes = math.random() < 0.1 and #expected or math.random(0, #expected)
        consume(bytes)
        expected = expected:sub(bytes + 1)
      end
      if #expected > 0 then assert.equal(expected, text()) end
      assert.is_true(buffer.capacity <= 16384, "grows without need")
    end
  end)

  it("has the room that was reserved", function()
    core.buffer_append(buffer, http.slice "abc")
    for _, room in ipairs { 1, 252, 253, 1000, 100000 } do
      local at = core.buffer_reserve(buffer, room)
      assert.is_true(buffer.capacity - buffer["end"] >= room)
      assert.is_true(at == buffer.bytes + buffer["end"])
      ffi.fill(at, room, 0x7f)
    end
    assert.equal("abc", text())
  end)

  it("can be used again after it was disposed of", function()
    core.buffer_append(buffer, http.slice "abc")
    core.buffer_dispose(buffer)
    assert.same({ 0, 0, 0 }, { tonumber(buffer.start), tonumber(buffer["end"]), tonumber(buffer.capacity) })
    core.buffer_append(buffer, http.slice "d")
    assert.equal("d", text())
  end)
end)

describe("an arena", function()
  local function address(pointer) return tonumber(ffi.cast("uintptr_t", pointer)) end

  it("gives aligned pieces that do not overlap, from the first block and beyond it", function()
    for _, first_bytes in ipairs { 0, 1, 100, 5000 } do
      local first = ffi.new("char[?]", first_bytes + 1)
      local arena = ffi.gc(ffi.new "struct arena_seen", core.http_arena_dispose)
      core.http_arena_init(arena, first, first_bytes)
      math.randomseed(first_bytes)
      local pieces = {}
      for i = 1, 300 do
        local bytes = math.random() < 0.05 and math.random(0, 20000) or math.random(0, 200)
        local piece = ffi.cast("unsigned char *", core.arena_alloc(arena, bytes))
        assert.equal(0, address(piece) % 16)
        ffi.fill(piece, bytes, i % 251)
        pieces[i] = { piece, bytes }
      end
      assert.equal(0, first[first_bytes]) -- nothing behind the first block
      for i, piece in ipairs(pieces) do
        local start, bytes = unpack(piece)
        assert.equal(string.char(i % 251):rep(bytes), ffi.string(start, bytes))
      end
    end
  end)

  it("copies text with a NUL behind it, and gives zeros", function()
    local arena = http.arena()
    for _, text in ipairs { "", "a", "a\0b", ("x"):rep(9000) } do
      local copy = core.arena_copy(arena, http.slice(text))
      assert.equal(text, http.text(copy))
      assert.equal(0, copy.start[#text])
      ffi.fill(core.arena_alloc(arena, 100), 100, 0xff)
      assert.equal(("\0"):rep(300), ffi.string(core.arena_zalloc(arena, 300), 300))
    end
  end)

  it("takes back the end of its last piece", function()
    local first = ffi.new "char[1024]"
    local arena = http.arena()
    core.http_arena_init(arena, first, 1024)
    local piece = ffi.cast("char *", core.arena_alloc(arena, 512))
    core.arena_trim(arena, piece + 16)
    assert.equal(address(piece) + 16, address(core.arena_alloc(arena, 16)))
  end)
end)
