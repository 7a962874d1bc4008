-- A line of the access log is put together behind a bare cursor; here whole lines are compared with
-- what a few formats make of the same record.
local ffi = require "ffi"
local core = require "spec.support.core"
local shown_slowly = require "spec.support.shown"

ffi.cdef [[
struct access_try { struct access_try *next; const char *backend, *outcome; uint64_t us;
                    const void *compared; const char *error, *said, *then, *denied; unsigned status;
                    uint64_t span, began_us; const void *to; struct slice why; };
struct facts_pair { struct facts_pair *next; struct slice key, value; char *room; size_t room_bytes;
                     bool is_literal; };
struct log_tls_client { struct slice error, subject; };
struct log_tls {
  struct slice version, cipher, name, alpn, traits;
  bool resumed;
  const struct log_tls_client *client;
  uint64_t client_rules, handshake_us;
};
struct access_record {
  struct slice id, client_ip, trace, method, target, why;
  unsigned client_port, status;
  struct slice version;
  uint32_t stream;
  uint64_t bytes_in, bytes_out, queue_us, policy_us, connect_us, first_byte_us, total_us, ended_us;
  bool has_connect, has_first_byte;
  const char *backend;
  unsigned attempts, retries;
  struct access_try *tries;
  const char *script;
  bool by_fallback;
  const struct facts_pair *explained;
  const struct config_log_seen *more;
  const struct head *head;
  struct slice host;
  const char *note;
  const struct log_tls *tls;
  bool is_first;
  unsigned available;
  bool has_chosen, is_panic;
  int grpc_status;
};
void access_log_write(const struct access_record *);
void log_open(int events, int lines, int least, const char *process);
bool log_flush(void);
void log_close(void);
int memfd_create(const char *name, unsigned flags);
int dup(int fd);
int dup2(int from, int to);
int close(int fd);
long pread(int fd, void *bytes, size_t count, long offset);
]]

local TEXT, JSON, INFO = 0, 1, 1
local SHOWN_MAX, LINE_MAX = 1024, 4096

-- The lines of some records: the log writes to standard output, which is a file meanwhile.
local function written(records, format)
  local file, stdout = ffi.C.memfd_create("lines", 0), ffi.C.dup(1)
  io.stdout:flush()
  ffi.C.dup2(file, 1)
  core.log_open(TEXT, format, INFO, "spec")
  for _, record in ipairs(records) do
    core.access_log_write(record)
    core.log_flush()
  end
  core.log_close()
  ffi.C.dup2(stdout, 1)
  local bytes = ffi.new("char[?]", 65536)
  local out, at = {}, 0
  repeat
    local count = tonumber(ffi.C.pread(file, bytes, 65536, at))
    out[#out + 1], at = ffi.string(bytes, count), at + count
  until count == 0
  ffi.C.close(file)
  ffi.C.close(stdout)
  local lines = {}
  for line in table.concat(out):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

-- Keeps what the record borrows.
local function record_of(r)
  local record, kept = ffi.new "struct access_record", {}
  local function text(value)
    kept[#kept + 1] = value
    return value
  end
  for _, name in ipairs { "id", "trace", "client_ip", "method", "target", "why", "version" } do
    record[name].start, record[name].length = text(r[name]), #r[name]
  end
  for _, name in ipairs {
    "client_port", "status", "bytes_in", "bytes_out", "queue_us", "policy_us", "connect_us", "first_byte_us",
    "total_us", "ended_us", "has_connect", "has_first_byte", "attempts", "retries", "by_fallback", "stream",
  } do
    record[name] = r[name]
  end
  record.grpc_status = r.grpc_status or -1
  for _, name in ipairs { "backend", "script", "note" } do
    if r[name] then record[name] = text(r[name]) end
  end
  for i = #r.tries, 1, -1 do
    local try = ffi.new "struct access_try"
    try.next, try.backend, try.outcome, try.us = record.tries, text(r.tries[i].backend), text(r.tries[i].outcome),
      r.tries[i].us
    kept[#kept + 1], record.tries = try, try
  end
  for i = #r.explained, 1, -1 do
    local pair, from = ffi.new "struct facts_pair", r.explained[i]
    pair.next = ffi.cast("struct facts_pair *", record.explained)
    pair.key.start, pair.key.length = text(from.key), #from.key
    pair.value.start, pair.value.length = text(from.value), #from.value
    kept[#kept + 1], record.explained = pair, pair
  end
  if r.tls then
    local tls, client = ffi.new "struct log_tls", ffi.new "struct log_tls_client"
    for _, name in ipairs { "version", "cipher", "name", "alpn" } do
      tls[name].start, tls[name].length = text(r.tls[name]), #r.tls[name]
    end
    client.subject.start, client.subject.length = text(r.tls.subject), #r.tls.subject
    tls.resumed, tls.handshake_us, tls.client = r.tls.resumed, r.tls.handshake_us, client
    record.tls, record.is_first = tls, r.tls.is_first
    kept[#kept + 1], kept[#kept + 2] = tls, client
  end
  return record, kept
end

-- --- the slow way ---

-- The script's words may be UTF-8: of that these records have the two ranges of this pattern.
local CHARACTER = "[\195\228][\128-\191]+"
local function said(text, limit, is_json) return shown_slowly(text, limit, is_json, CHARACTER) end

local function ms(us) return ("%d.%03d"):format(math.floor(us / 1000), us % 1000) end

local function tls_in_json(tls, shown)
  local function or_null(text) return #text > 0 and '"' .. shown_slowly(text, shown / 4, true) .. '"' or "null" end
  return (',"tls":{"version":"%s","cipher":"%s","name":%s,"alpn":%s,"resumed":%s,"client":%s}'):format(tls.version,
    tls.cipher, or_null(tls.name), or_null(tls.alpn), tostring(tls.resumed), or_null(tls.subject))
end

local function in_json(r, shown)
  local function words(text) return '"' .. shown_slowly(text, shown / 4, true) .. '"' end
  local tries, explained = {}, {}
  for i, t in ipairs(r.tries) do
    tries[i] = ('{"backend":%s,"outcome":"%s","ms":%s}'):format(words(t.backend), t.outcome, ms(t.us))
  end
  for i, p in ipairs(r.explained) do
    explained[i] = ('"%s":"%s"'):format(said(p.key, shown / 4, true), said(p.value, shown, true))
  end
  return table.concat {
    '{"time":"TIME","id":"', r.id, #r.trace > 0 and '","trace":"' .. r.trace or "", '","client":"', r.client_ip,
    '","client_port":', r.client_port,
    ',"method":', words(r.method), ',"path":"', shown_slowly(r.target, shown, true), '","version":',
    #r.version > 0 and '"' .. r.version .. '"' or "null", r.stream > 0 and (',"stream":%d'):format(r.stream) or "",
    ',"status":', r.status,
    r.grpc_status and ',"grpc_status":' .. r.grpc_status or "",
    (',"bytes_in":%.0f,"bytes_out":%.0f'):format(r.bytes_in, r.bytes_out),
    ',"ms":{"queue":', ms(r.queue_us), ',"policy":', ms(r.policy_us),
    ',"connect":', r.has_connect and ms(r.connect_us) or "null",
    ',"first_byte":', r.has_first_byte and ms(r.first_byte_us) or "null", ',"total":', ms(r.total_us),
    r.tls and r.tls.is_first and ',"tls":' .. ms(r.tls.handshake_us) or "", "}",
    r.tls and tls_in_json(r.tls, shown) or "",
    r.backend and ',"backend":' .. words(r.backend) or "", ',"attempts":', r.attempts, ',"retries":', r.retries,
    ',"tries":[', table.concat(tries, ","), ']', ',"policy":{"script":', words(r.script),
    ',"fallback":', tostring(r.by_fallback), "}",
    #r.why > 0 and ',"why":"' .. said(r.why, shown / 4, true) .. '"' or "",
    #explained > 0 and ',"explain":{' .. table.concat(explained, ",") .. "}" or "",
    r.note and ',"note":' .. words(r.note) or "", "}",
  }
end

local function in_text(r, shown)
  local function words(text) return shown_slowly(text, shown / 4) end
  local function or_dash(text) return #text > 0 and text or "-" end
  local tries, explained = {}, {}
  for i, t in ipairs(r.tries) do tries[i] = ("%s %s %s ms"):format(words(t.backend), t.outcome, ms(t.us)) end
  for i, p in ipairs(r.explained) do explained[i] = said(p.key, shown / 4) .. " " .. said(p.value, shown) end
  local tells_tries = #r.tries > 1 or (#r.tries == 1 and (r.status == 499 or r.note))
  return table.concat {
    "TIME ", or_dash(r.client_ip), " ", words(or_dash(r.method)), " ", shown_slowly(or_dash(r.target), shown),
    (" %d %.0f B "):format(r.status, r.bytes_out), ms(r.total_us), " ms ", words(r.backend or "-"),
    tells_tries and (" %d/%d [%s]"):format(r.attempts, r.retries, table.concat(tries, ", ")) or "",
    r.by_fallback and " (fallback)" or "", r.grpc_status and (" (grpc-status %d)"):format(r.grpc_status) or "",
    #r.why > 0 and " (" .. said(r.why, shown / 4) .. ")" or "",
    #explained > 0 and " (" .. table.concat(explained, ", ") .. ")" or "",
    r.note and r.note ~= r.why and " (" .. words(r.note) .. ")" or "",
    #r.trace > 0 and " trace=" .. r.trace or "", " ", r.id,
  }
end

local times = { [TEXT] = "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d%d%d[+-]%d%d:%d%d",
                [JSON] = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ" }
local slow = { [TEXT] = in_text, [JSON] = in_json }

local function expected(r, format)
  local time = ("x"):rep(format == JSON and 24 or 29)
  local shown, line = SHOWN_MAX
  repeat
    line = slow[format](r, shown):gsub("TIME", time, 1)
    shown = math.floor(shown / 2)
  until #line < LINE_MAX or shown == 0
  return #line < LINE_MAX and line or line:sub(1, LINE_MAX - 4) .. "..."
end

local function check(list)
  for format = TEXT, JSON do
    local records = { kept = {} }
    for i, r in ipairs(list) do records[i], records.kept[i] = record_of(r) end
    local lines = written(records, format)
    assert.equal(#list, #lines)
    for i, r in ipairs(list) do
      local line = lines[i]:gsub(times[format], function(time) return ("x"):rep(#time) end, 1)
      local wanted = expected(r, format)
      if line ~= wanted then assert.equal(wanted, line) end
    end
  end
end

-- --- records ---

local function record(fields)
  local r = {
    id = "0123456789abcdef", trace = "", client_ip = "127.0.0.1", method = "GET", target = "/", why = "",
    client_port = 40000, status = 200, version = "1.1", stream = 0, bytes_in = 0,
    bytes_out = 100, queue_us = 12, policy_us = 34, connect_us = 345,
    first_byte_us = 6789, total_us = 12345, ended_us = 1000000000, has_connect = true, has_first_byte = true,
    backend = "127.0.0.1:8080", attempts = 1, retries = 0, script = "balancer.lua", by_fallback = false,
    tries = { { backend = "127.0.0.1:8080", outcome = "ok", us = 12333 } }, explained = {},
  }
  for name, value in pairs(fields) do r[name] = value end
  return r
end

local function noise(bytes)
  local out = {}
  for i = 1, bytes do
    out[i] = math.random(4) == 1 and string.char(math.random(0, 255)) or string.char(math.random(33, 126))
  end
  return table.concat(out)
end

-- As a script may say it: whole characters, controls, and a byte that makes none with what follows.
local function speech(bytes)
  local out, pieces = {}, { "\195\188", "\228\184\173", "\255", "\1", "\n", '"', "\\", "a", " ", "\127" }
  while bytes > 0 do
    out[#out + 1] = pieces[math.random(#pieces)]
    bytes = bytes - #out[#out]
  end
  return table.concat(out)
end

local function number() return math.random(0, 10 ^ math.random(0, 15) - 1) end

local function random_record()
  -- Without UTF-8: the log keeps it in lb's own names, but the slow way knows ASCII only.
  local function name() return (noise(math.random(0, 40)):gsub("[%z\127-\255]", "x")) end
  local tries, explained = {}, {}
  for i = 1, math.random(0, 3) do
    tries[i] = { backend = name(), outcome = i == 1 and "connect_timeout" or "ok", us = number() }
  end
  for i = 1, math.random(0, 2) do
    explained[i] = { key = speech(math.random(0, 9)), value = speech(math.random(0, 60)) }
  end
  return record {
    method = noise(math.random(0, 12)), target = noise(math.random(0, 200)), why = speech(math.random(0, 30)),
    client_port = math.random(0, 65535), status = math.random(100, 599), bytes_in = number(), bytes_out = number(),
    trace = math.random(2) == 1 and ("4b"):rep(16) or "",
    queue_us = number(), policy_us = number(), connect_us = number(), first_byte_us = number(), total_us = number(),
    has_connect = math.random(2) == 1, has_first_byte = math.random(2) == 1, tries = tries, explained = explained,
    version = ({ "", "1.0", "1.1" })[math.random(3)], stream = math.random(2) == 1 and 2 ^ 31 - 1 or 0,
    backend = math.random(2) == 1 and name() or false,
    attempts = math.random(0, 200), retries = math.random(0, 20), script = name(), by_fallback = math.random(2) == 1,
    note = math.random(3) == 1 and "limits.body",
  }
end

describe("a line of the access log", function()
  it("is the same as when it is put together slowly", function()
    math.randomseed(7)
    local list = { record {} }
    for _ = 1, 2000 do list[#list + 1] = random_record() end
    check(list)
  end)

  it("has what is known of a handshake, however long its texts are", function()
    local list = {}
    for _, text in ipairs { "", "shop.example", ("a"):rep(255), ("\1"):rep(9000), ('"'):rep(256) } do
      for _, is_first in ipairs { false, true } do
        list[#list + 1] = record { target = text, tls = {
          version = "1.3", cipher = "TLS_AES_128_GCM_SHA256", name = text, alpn = text, subject = text,
          resumed = is_first, is_first = is_first, handshake_us = 12345,
        } }
      end
    end
    check(list)
  end)

  it("has the status of a gRPC call", function()
    check { record { grpc_status = 0 }, record { grpc_status = 14 }, record { grpc_status = 999 } }
  end)

  it("has its numbers at every length", function()
    local list = {}
    for digits = 0, 15 do
      for _, number_then in ipairs { 10 ^ digits - 1, 10 ^ digits } do
        list[#list + 1] = record {
          bytes_in = number_then, bytes_out = number_then, queue_us = number_then, policy_us = number_then,
          connect_us = number_then,
          first_byte_us = number_then, total_us = number_then,
          tries = { { backend = "b", outcome = "ok", us = number_then } },
        }
      end
    end
    check(list)
  end)

  it("shows less of each text until it is short enough, and is cut where that is not enough", function()
    local list = {}
    for _, length in ipairs { 255, 256, 257, 1023, 1024, 1025, 4000, 9000 } do
      for _, byte in ipairs { "a", '"', "\1" } do
        local text, tries = byte:rep(length), {}
        list[#list + 1] = record { target = text }
        list[#list + 1] = record { method = text, target = text, why = text, note = "a" .. ("b"):rep(300) }
        for i = 1, length / 20 do tries[i] = { backend = text, outcome = "connect_timeout", us = 10 ^ 15 } end
        list[#list + 1] = record { target = text, tries = tries, backend = text, script = text }
        list[#list + 1] = record { why = ("\195\188"):rep(length), target = text }
        list[#list + 1] = record { explained = { { key = text, value = text }, { key = text, value = text } } }
      end
    end
    check(list)
  end)
end)
