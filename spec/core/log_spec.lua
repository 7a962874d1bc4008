-- Lines of the log: how text and times are shown, and what happens when nobody reads them.
local bit = require "bit"
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct outlet_seen {
  int kind; int fd; bool in_line, is_broken; struct buffer pending; uint64_t dropped;
  int error; char *path; struct half_line { uint64_t writer; } *half; unsigned stream; uint64_t half_end;
};
char *log_put_escaped(char *out, struct slice text, size_t limit, int format);
char *log_put_foreign(char *out, struct slice text, size_t limit, int format);
char *log_put_time(char *out, uint64_t wall_us, int format);
void outlet_open(struct outlet_seen *, int fd);
void outlet_put(struct outlet_seen *, struct slice line);
bool outlet_flush(struct outlet_seen *);
uint64_t outlet_take_dropped(struct outlet_seen *);
void outlet_close(struct outlet_seen *);

struct file_limit { unsigned long soft, hard; };
int getrlimit(int resource, struct file_limit *);
int setrlimit(int resource, const struct file_limit *);

int pipe(int fds[2]);
int socketpair(int domain, int type, int protocol, int fds[2]);
int open(const char *path, int flags, ...);
int close(int fd);
int ftruncate(int fd, long length);
int fcntl(int fd, int command, ...);
long read(int fd, void *bytes, size_t count);
long lseek(int fd, long offset, int whence);
int memfd_create(const char *name, unsigned flags);
int posix_openpt(int flags);
int grantpt(int fd);
int unlockpt(int fd);
char *ptsname(int fd);
void (*signal(int number, void (*handler)(int)))(int);
]]

local TEXT, JSON = 0, 1
local LINE_MAX, PENDING_MAX = 4096, 256 * 1024
local RLIMIT_FSIZE, SIGXFSZ, EFBIG, O_APPEND = 1, 25, 27, 1024
local SIGPIPE, F_GETFL, F_SETFL, O_NONBLOCK, O_RDWR_NOCTTY = 13, 3, 4, 2048, 258
local SHARED = 4 -- enum outlet_kind: what cannot be opened again

local room = ffi.new "char[65536]"

local function as_shown(write, ...) return ffi.string(room, write(room, ...) - room) end

local function slice(text) return ffi.new("struct slice", text, #text) end

local function escaped(text, format, limit)
  return as_shown(core.log_put_escaped, slice(text), limit or 1000, format)
end

describe("text in the log", function()
  local cases = { -- text, as text, in JSON
    { "", "", "" },
    { "GET /a?b=c", "GET /a?b=c", "GET /a?b=c" },
    { 'say "x"', 'say "x"', 'say \\"x\\"' },
    { "a\\nb", "a\\\\nb", "a\\\\nb" },
    { "a\nb\rc\td", "a\\nb\\rc\\td", "a\\nb\\rc\\td" },
    { "\0\1\27[31m\127", "\\x00\\x01\\x1b[31m\\x7f", "\\u0000\\u0001\\u001b[31m\\u007f" },
    { "gr\195\188n \226\130\172 \240\159\152\128", "gr\195\188n \226\130\172 \240\159\152\128",
      "gr\195\188n \226\130\172 \240\159\152\128" },
    { "\194\155", "\\xc2\\x9b", "\\u00c2\\u009b" }, -- a control character of its own
    { "\200", "\\xc8", "\\u00c8" },
    { "a\128b\255", "a\\x80b\\xff", "a\\u0080b\\u00ff" },
    { "\192\175", "\\xc0\\xaf", "\\u00c0\\u00af" }, -- a slash, longer than needed
    { "\224\128\175", "\\xe0\\x80\\xaf", "\\u00e0\\u0080\\u00af" },
    { "\237\160\128", "\\xed\\xa0\\x80", "\\u00ed\\u00a0\\u0080" }, -- half of a pair
    -- Beyond the last character.
    { "\244\144\128\128", "\\xf4\\x90\\x80\\x80", "\\u00f4\\u0090\\u0080\\u0080" },
    { "\240\159\152", "\\xf0\\x9f\\x98", "\\u00f0\\u009f\\u0098" }, -- ends too early
  }
  for _, case in ipairs(cases) do
    local text, as_text, in_json = unpack(case)
    it(("cannot forge a line: %q"):format(text):gsub("%c", "?"), function()
      assert.equal(as_text, escaped(text, TEXT))
      assert.equal(in_json, escaped(text, JSON))
    end)
  end

  it("shows no control byte and only whole characters, whatever it was", function()
    for first = 0, 255 do
      for second = 0, 255 do
        local shown = escaped(string.char(first, second), JSON)
        assert.falsy(shown:find "[%z\1-\31\127]")
        assert.equal("", (shown:gsub("[\32-\126]", ""):gsub("[\194-\223][\128-\191]", "")))
      end
    end
  end)

  it("is cut at the limit, between characters", function()
    for _, case in ipairs {
      { "abcdef", 6, "abcdef" }, { "abcdef", 5, "abcde..." }, { "abcdef", 0, "..." },
      { "ab\195\188", 4, "ab\195\188" }, { "ab\195\188", 3, "ab..." }, { "ab\195\188x", 4, "ab\195\188..." },
      { "\240\159\152\128x", 3, "..." }, { "\240\159\152\128x", 4, "\240\159\152\128..." },
    } do
      assert.equal(case[3], escaped(case[1], TEXT, case[2]))
    end
  end)

  it("is measured as it is shown, and no escape is cut in two", function()
    assert.equal("\\u0001\\u0001", escaped("\1\1", JSON, 12))
    assert.equal("\\u0001...", escaped("\1\1", JSON, 11))
    assert.equal("a\\n...", escaped("a\n\n", TEXT, 4))
    assert.equal("a...", escaped('a"', JSON, 2))
    for limit = 0, 100 do
      local shown = escaped(("\255\"\n\226\130\172a"):rep(50), JSON, limit)
      assert.truthy(#shown <= limit + 3 and shown:find "%.%.%.$", shown)
      assert.is_nil((shown:gsub("\\u00%x%x", ""):gsub('\\[n"]', ""):find "\\"))
    end
  end)

  it("has no character that a terminal obeys", function()
    for _, character in ipairs {
      "\226\128\168", "\226\128\169", "\226\128\174", "\226\129\167", "\226\128\143", "\216\156", "\239\187\191",
    } do
      assert.truthy(escaped("a" .. character .. "b", TEXT):find "^a\\x%x%x[\\x%x]*b$")
    end
    for _, character in ipairs { "\226\128\166", "\216\157", "\239\187\190", "\226\130\172" } do
      assert.equal(character, escaped(character, TEXT))
    end
  end)

  it("of a client's choosing is ASCII", function()
    local function foreign(text, format) return as_shown(core.log_put_foreign, slice(text), 1000, format) end
    assert.equal("/gr\\xc3\\xbcn\\n", foreign("/gr\195\188n\n", TEXT))
    assert.equal("/gr\\u00c3\\u00bcn\\n", foreign("/gr\195\188n\n", JSON))
    for byte = 0, 255 do
      for format = TEXT, JSON do assert.falsy(foreign(string.char(byte), format):find "[^ -~]") end
    end
  end)
end)

describe("a time in the log", function()
  local function written(us, format) return as_shown(core.log_put_time, us, format) end

  it("is local in text and UTC in JSON, to the millisecond", function()
    local us = 1795348801ULL * 1000000 + 123999
    assert.equal(os.date("!%Y-%m-%dT%H:%M:%S", 1795348801) .. ".123Z", written(us, JSON))
    local zone = os.date("%z", 1795348801):gsub("^(...)(..)$", "%1:%2")
    assert.equal(os.date("%Y-%m-%d %H:%M:%S", 1795348801) .. ".123" .. zone, written(us, TEXT))
  end)

  it("moves on within the second, and with it", function()
    local us = 1795348801ULL * 1000000
    assert.truthy(written(us, JSON):find ":01%.000Z$")
    assert.truthy(written(us + 7000, JSON):find ":01%.007Z$")
    assert.truthy(written(us + 1000000, JSON):find ":02%.000Z$")
  end)
end)

describe("lines", function()
  local outlet, to_close

  before_each(function()
    outlet, to_close = ffi.new "struct outlet_seen", {}
    ffi.C.signal(SIGPIPE, ffi.cast("void (*)(int)", 1)) -- ignored, as in every process of lb
  end)

  after_each(function()
    core.outlet_close(outlet)
    for _, fd in ipairs(to_close) do ffi.C.close(fd) end
  end)

  local function two(make)
    local fds = ffi.new "int[2]"
    assert.equal(0, make(fds))
    to_close[#to_close + 1] = fds[0]
    to_close[#to_close + 1] = fds[1]
    ffi.C.fcntl(fds[0], F_SETFL, ffi.cast("int", O_NONBLOCK))
    return fds[0], fds[1]
  end

  local function pipe() return two(ffi.C.pipe) end
  local function sockets() return two(function(fds) return ffi.C.socketpair(1, 1, 0, fds) end) end

  local function read(fd)
    local bytes, parts = ffi.new "char[65536]", {}
    while true do
      local count = tonumber(ffi.C.read(fd, bytes, 65536))
      if count <= 0 then return table.concat(parts) end
      parts[#parts + 1] = ffi.string(bytes, count)
    end
  end

  local function put(text) core.outlet_put(outlet, slice(text)) end

  for name, open in pairs { pipe = pipe, socket = sockets } do
    it(("wait when a %s is full, then drop and are counted, and all are whole"):format(name), function()
      local reader, writer = open()
      core.outlet_open(outlet, writer)
      local sent, line = 0, ("x"):rep(999)
      while outlet.dropped < 10 do
        put(line)
        core.outlet_flush(outlet)
        sent = sent + 1
      end
      -- The pipe is shared: it must still block.
      assert.equal(0, ffi.C.fcntl(writer, F_GETFL) % (2 * O_NONBLOCK) >= O_NONBLOCK and 1 or 0)
      assert.is_false(core.outlet_flush(outlet))
      assert.equal(0, tonumber(core.outlet_take_dropped(outlet)))
      assert.truthy(outlet.pending["end"] - outlet.pending.start <= PENDING_MAX)
      local parts = {}
      repeat
        local done = core.outlet_flush(outlet)
        parts[#parts + 1] = read(reader)
      until done
      local text = table.concat(parts)
      assert.equal((sent - 10) * 1000, #text)
      assert.equal((line .. "\n"):rep(sent - 10), text)
      assert.equal(10, tonumber(core.outlet_take_dropped(outlet)))
      assert.equal(0, tonumber(core.outlet_take_dropped(outlet)))
    end)
  end

  -- Room for some bytes is not room for the line, and what was room a moment ago another
  -- process may have taken: only a write with a flag not to wait does not.
  it("never wait for a device that cannot be opened again", function()
    for _, open in ipairs {
      function() return pipe() end,
      function() -- a pseudo-terminal: takes parts of a line
        local reader = ffi.C.posix_openpt(O_RDWR_NOCTTY)
        assert(ffi.C.grantpt(reader) == 0 and ffi.C.unlockpt(reader) == 0)
        local writer = ffi.C.open(ffi.C.ptsname(reader), O_RDWR_NOCTTY)
        to_close[#to_close + 1] = reader
        to_close[#to_close + 1] = writer
        ffi.C.fcntl(reader, F_SETFL, ffi.cast("int", O_NONBLOCK))
        return reader, writer
      end,
    } do
      local reader, writer = open()
      outlet = ffi.new "struct outlet_seen"
      outlet.kind, outlet.fd = SHARED, writer
      local line, sent = ("x"):rep(3000), 0
      while outlet.dropped == 0 do
        put(line)
        sent = sent + 1
        core.outlet_flush(outlet)
      end
      assert.is_false(core.outlet_flush(outlet))
      local parts = {}
      repeat
        local done = core.outlet_flush(outlet)
        parts[#parts + 1] = read(reader)
      until done
      assert.equal((line .. "\n"):rep(sent - 1), (table.concat(parts):gsub("\r", "")))
      core.outlet_close(outlet)
    end
  end)

  it("go to a pipe in pieces that it takes whole", function()
    local reader, writer = pipe()
    core.outlet_open(outlet, writer)
    for i = 1, 20 do put(("%03d"):format(i):rep(300)) end
    while true do -- fill it, all but a little, behind the outlet's back
      put(("y"):rep(4000))
      if not core.outlet_flush(outlet) then break end
    end
    local text = read(reader)
    assert.equal("\n", text:sub(-1))
    assert.is_true(core.outlet_flush(outlet))
    assert.equal(("y"):rep(4000) .. "\n", read(reader))
  end)

  it("that are too long are cut, visibly, between characters", function()
    local reader, writer = pipe()
    core.outlet_open(outlet, writer)
    put(("x"):rep(LINE_MAX - 1))
    put(("x"):rep(LINE_MAX))
    put("a" .. ("\195\188"):rep(LINE_MAX))
    core.outlet_flush(outlet)
    local list = {}
    for line in read(reader):gmatch "[^\n]*\n" do list[#list + 1] = line end
    assert.equal(3, #list)
    assert.equal(("x"):rep(LINE_MAX - 1) .. "\n", list[1])
    assert.equal(("x"):rep(LINE_MAX - 4) .. "...\n", list[2])
    assert.truthy(#list[3] <= LINE_MAX and list[3]:find "^a[\195\188]+%.%.%.\n$")
    assert.equal(0, (#list[3] - 5) % 2)
  end)

  it("are dropped and counted when nobody reads any more, and nothing is said of it there", function()
    for _, open in ipairs { pipe, sockets } do
      local reader, writer = open()
      outlet = ffi.new "struct outlet_seen"
      core.outlet_open(outlet, writer)
      ffi.C.close(reader)
      for i, fd in ipairs(to_close) do if fd == reader then table.remove(to_close, i) break end end
      put "one"
      put "two"
      assert.is_true(core.outlet_flush(outlet))
      assert.equal(2, tonumber(outlet.dropped))
      assert.equal(0, tonumber(core.outlet_take_dropped(outlet)))
      core.outlet_close(outlet)
    end
  end)

  it("go to a file as they are", function()
    local fd = ffi.C.memfd_create("log", 0)
    to_close[1] = fd
    core.outlet_open(outlet, fd)
    local line = ("x"):rep(3000)
    for _ = 1, 50 do put(line) end
    assert.is_true(core.outlet_flush(outlet))
    ffi.C.lseek(fd, 0, 0)
    assert.equal((line .. "\n"):rep(50), read(fd))
  end)

  it("append to a file, also if another shortens it, or shares its description", function()
    local fd = ffi.C.memfd_create("log", 0)
    to_close[1] = fd
    core.outlet_open(outlet, fd)
    assert.equal(O_APPEND, bit.band(ffi.C.fcntl(fd, F_GETFL), O_APPEND))
    put "before"
    core.outlet_flush(outlet)
    assert.equal(0, ffi.C.ftruncate(fd, 0))
    put "after"
    core.outlet_flush(outlet)
    ffi.C.lseek(fd, 0, 0)
    assert.equal("after\n", read(fd))
  end)

  describe("to a file that may not grow", function()
    local fd, half, other
    local limit, most = ffi.new "struct file_limit", ffi.new "struct file_limit"

    before_each(function()
      ffi.C.signal(SIGXFSZ, ffi.cast("void (*)(int)", 1))
      ffi.C.getrlimit(RLIMIT_FSIZE, limit)
      fd, half, other = ffi.C.memfd_create("log", 0), ffi.new "struct half_line", ffi.new "struct outlet_seen"
      to_close[1] = fd
      for _, o in ipairs { outlet, other } do
        core.outlet_open(o, fd)
        o.half = half
      end
      other.stream = 1
    end)

    after_each(function()
      ffi.C.setrlimit(RLIMIT_FSIZE, limit)
      core.outlet_close(other)
    end)

    local function may_have(bytes)
      most.soft, most.hard = bytes, limit.hard
      assert.equal(0, ffi.C.setrlimit(RLIMIT_FSIZE, most))
    end

    local function flushed(o)
      local done = core.outlet_flush(o or outlet)
      ffi.C.lseek(fd, 0, 0)
      return done, read(fd)
    end

    local A, B, C = ("a"):rep(600), ("b"):rep(600), ("c"):rep(600)

    it("are dropped whole, and a half written line is completed before the next", function()
      may_have(1000)
      for _, line in ipairs { A, B, C } do put(line) end
      local done, text = flushed()
      assert.is_false(done) -- so that somebody tries again
      assert.equal(A .. "\n" .. B:sub(1, 399), text)
      assert.equal(1, tonumber(outlet.dropped))
      assert.equal(EFBIG, outlet.error)
      put(C)
      flushed()
      assert.equal(2, tonumber(outlet.dropped))
      assert.equal(0, tonumber(core.outlet_take_dropped(outlet))) -- there is no room to say it
      ffi.C.setrlimit(RLIMIT_FSIZE, limit)
      put(C)
      done, text = flushed()
      assert.is_true(done)
      assert.equal(table.concat({ A, B, C, "" }, "\n"), text)
      assert.equal(2, tonumber(core.outlet_take_dropped(outlet)))
    end)

    it("go without the rest of a line whose half was cut off meanwhile", function()
      may_have(1000)
      put(A)
      put(B)
      flushed()
      assert.equal(0, ffi.C.ftruncate(fd, 0))
      ffi.C.setrlimit(RLIMIT_FSIZE, limit)
      put(C)
      local done, text = flushed()
      assert.is_true(done)
      assert.equal(C .. "\n", text)
      assert.equal(1, tonumber(outlet.dropped))
      assert.equal(0, tonumber(half.writer))
    end)

    it("wait for the half line of another process, which is first", function()
      may_have(1000)
      put(A)
      put(B)
      flushed()
      ffi.C.setrlimit(RLIMIT_FSIZE, limit)
      core.outlet_put(other, slice(C))
      local done, text = flushed(other)
      assert.is_false(done)
      assert.equal(A .. "\n" .. B:sub(1, 399), text)
      assert.is_true(flushed(outlet))
      done, text = flushed(other)
      assert.is_true(done)
      assert.equal(table.concat({ A, B, C, "" }, "\n"), text)
      assert.equal(0, tonumber(other.dropped))
    end)

    it("end the half line of a process that is gone", function()
      half.writer = 2 ^ 31 - 2 -- a process that cannot be: its id is above pid_max
      put(A)
      may_have(0)
      assert.is_false((flushed()))
      ffi.C.setrlimit(RLIMIT_FSIZE, limit)
      local done, text = flushed()
      assert.is_true(done)
      assert.equal("\n" .. A .. "\n", text)
      assert.equal(0, tonumber(half.writer))
    end)
  end)

  it("of a parent are not written by a child, too", function()
    local reader, writer = pipe()
    core.outlet_open(outlet, writer)
    put "the parent's"
    core.outlet_open(outlet, writer) -- as a child does
    put "the child's"
    core.outlet_flush(outlet)
    assert.equal("the child's\n", read(reader))
  end)

  it("vanish where there is no descriptor", function()
    core.outlet_open(outlet, 987)
    put "nothing"
    assert.is_true(core.outlet_flush(outlet))
    assert.equal(0, tonumber(outlet.dropped))
  end)
end)

describe("an event that comes again and again", function()
  ffi.cdef [[
  struct log_interval { uint64_t ends_ms, events; };
  uint64_t log_interval_count(struct log_interval *, uint64_t now_ms, uint64_t length_ms);
  ]]

  it("is reported at once, then once in an interval, with all that came meanwhile", function()
    local interval = ffi.new "struct log_interval"
    local function count(now_ms) return tonumber(core.log_interval_count(interval, now_ms, 1000)) end
    assert.equal(1, count(50000))
    for ms = 50001, 50999 do assert.equal(0, count(ms)) end
    assert.equal(1000, count(51000))
    assert.equal(1, count(90000))
  end)
end)
