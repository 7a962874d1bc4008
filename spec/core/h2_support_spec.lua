-- What specs of HTTP/2 read and write with is right by RFC 7541's examples, and by other readers:
-- libnghttp2's HPACK, and nghttp and curl as clients.
local ffi = require "ffi"
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local h2_peer = require "spec.support.h2_peer"
local hpack = require "spec.support.hpack"
local mutate = require "spec.support.mutate"
local peers = require "spec.support.peers"
local play = require "spec.support.play"

local function byte_of(pair) return string.char(tonumber(pair, 16)) end
local function bytes(hex) return (hex:gsub("%x%x", byte_of)) end
local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function pairs_of(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local name, value = line:match "^ *(:?[^:]+): (.*)$"
    list[#list + 1] = { name, value }
  end
  return list
end

local function plain(fields)
  local list = {}
  for i, field in ipairs(fields) do list[i] = { field[1], field[2] } end
  return list
end

local COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
local FIRST = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com"
local THIRD = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
  .. "custom-key: custom-value"
local FOUND = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
  .. "location: https://www.example.com"
local LAST = ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
  .. "location: https://www.example.com\n"
  .. "content-encoding: gzip\nset-cookie: " .. COOKIE

-- What they are, the table's limit, then blocks, what is in them, and the table's size behind each.
local VECTORS = {
  { "C.2.1", 4096, "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header", 55 },
  { "C.2.2", 4096, "040c2f73616d706c652f70617468", ":path: /sample/path", 0 },
  { "C.2.3", 4096, "100870617373776f726406736563726574", "password: secret", 0 },
  { "C.2.4", 4096, "82", ":method: GET", 0 },
  { "C.3", 4096, "828684410f7777772e6578616d706c652e636f6d", FIRST, 57,
    "828684be58086e6f2d6361636865", FIRST .. "\ncache-control: no-cache", 110,
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD, 164 },
  { "C.4", 4096, "828684418cf1e3c2e5f23a6ba0ab90f4ff", FIRST, 57,
    "828684be5886a8eb10649cbf", FIRST .. "\ncache-control: no-cache", 110,
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD, 164 },
  { "C.5", 256, "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
    .. "6e1768747470733a2f"
    .. "2f7777772e6578616d706c652e636f6d", FOUND, 222,
    "4803333037c1c0bf", (FOUND:gsub("302", "307")), 222,
    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a"
    .. "584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31", LAST, 215 },
  { "C.6", 256,
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    FOUND, 222, "4883640effc1c0bf", (FOUND:gsub("302", "307")), 222,
    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f36"
    .. "72c1ab270fb5291f9587316065c003ed4ee5b1063d5007", LAST, 215 },
}

describe("the HPACK of specs", function()
  for _, vector in ipairs(VECTORS) do
    it("reads the example " .. vector[1], function()
      local decoder = hpack.decoder(vector[2])
      for at = 3, #vector, 3 do
        local fields = assert(decoder:decode(bytes(vector[at])))
        assert.same(pairs_of(vector[at + 1]), plain(fields))
        assert.equal(vector[at + 2], decoder.size)
      end
    end)
  end

  it("writes these examples", function()
    assert.equal("1f9a0a", hex(hpack.integer(1337, 5, 0)))
    assert.equal(VECTORS[1][3], hex(hpack.literal("custom-key", "custom-header", { how = "kept" })))
    assert.equal(VECTORS[2][3], hex(hpack.literal(4, "/sample/path")))
    assert.equal(VECTORS[3][3], hex(hpack.literal("password", "secret", { how = "never" })))
    assert.equal("f1e3c2e5f23a6ba0ab90f4ff", hex(hpack.huffman "www.example.com"))
  end)

  local WRONG = {
    { "80", "no entry 0" }, { "be", "no entry 62" }, { "ff", "an integer is cut" },
    { "ffffffffffff7f", "an integer is too large" }, { "0005", "a string is cut" },
    { "008aff", "a string is cut" }, { "0084ffffffff", "EOS in a string" }, { "00821fff", "padding of a byte or more" },
    { "00821f00", "padding that is not ones" }, { "823f", "a size update behind a field" },
    { "3fe21f", "a table larger than the setting" }, { "40", "a string is missing" },
  }
  for _, case in ipairs(WRONG) do
    it("refuses " .. case[1], function()
      local fields, why = hpack.decoder():decode(bytes(case[1]))
      assert.is_nil(fields)
      assert.equal(case[2], why)
    end)
  end

  it("wants a size update when the setting went down", function()
    local decoder = hpack.decoder()
    decoder:set_limit(0)
    assert.same({ nil, "no size update after the setting went down" }, { decoder:decode "\130" })
    assert(decoder:decode(hpack.resize(0) .. "\130"))
  end)
end)

ffi.cdef [[
typedef struct { uint8_t *name, *value; size_t namelen, valuelen; uint8_t flags; } nghttp2_nv;
int nghttp2_hd_inflate_new(void **);
void nghttp2_hd_inflate_del(void *);
long nghttp2_hd_inflate_hd2(void *, nghttp2_nv *, int *, const uint8_t *, size_t, int);
int nghttp2_hd_inflate_end_headers(void *);
int nghttp2_hd_deflate_new(void **, size_t);
void nghttp2_hd_deflate_del(void *);
long nghttp2_hd_deflate_hd(void *, uint8_t *, size_t, const nghttp2_nv *, size_t);
]]
local other = ffi.load "libnghttp2.so.14"

-- What libnghttp2 makes of a block; nil if it is wrong.
local function inflated(inflater, block)
  local nv, flags, fields, at = ffi.new "nghttp2_nv[1]", ffi.new "int[1]", {}, 0
  local input = ffi.cast("const uint8_t *", block)
  while true do
    flags[0] = 0
    local taken = tonumber(other.nghttp2_hd_inflate_hd2(inflater, nv, flags, input + at, #block - at, 1))
    if taken < 0 then return nil end
    at = at + taken
    if flags[0] % 4 >= 2 then
      fields[#fields + 1] = { ffi.string(nv[0].name, nv[0].namelen), ffi.string(nv[0].value, nv[0].valuelen) }
    end
    if flags[0] % 2 == 1 then break end
    if flags[0] == 0 and at == #block then break end
  end
  other.nghttp2_hd_inflate_end_headers(inflater)
  return fields
end

local function deflated(deflater, fields)
  local list = ffi.new("nghttp2_nv[?]", #fields)
  for i, field in ipairs(fields) do
    list[i - 1].name, list[i - 1].namelen = ffi.cast("uint8_t *", field[1]), #field[1]
    list[i - 1].value, list[i - 1].valuelen = ffi.cast("uint8_t *", field[2]), #field[2]
  end
  local out = ffi.new "uint8_t[65536]"
  return ffi.string(out, tonumber(other.nghttp2_hd_deflate_hd(deflater, out, 65536, list, #fields)))
end

describe("the HPACK of specs and libnghttp2", function()
  local inflater, deflater
  before_each(function()
    local made = ffi.new "void *[1]"
    assert(other.nghttp2_hd_inflate_new(made) == 0)
    inflater = made[0]
    assert(other.nghttp2_hd_deflate_new(made, 4096) == 0)
    deflater = made[0]
  end)
  after_each(function()
    other.nghttp2_hd_inflate_del(inflater)
    other.nghttp2_hd_deflate_del(deflater)
  end)

  it("have the same Huffman code", function()
    local all = {}
    for byte = 0, 255 do all[#all + 1] = string.char(byte) end
    local text = table.concat(all)
    local block = hpack.literal("a", text, { huffman = true })
    assert.same({ { "a", text } }, inflated(inflater, block))
    for byte = 0, 255 do
      local one = string.char(byte):rep(9)
      assert.equal(one, hpack.unhuffman(hpack.huffman(one)))
      assert.same({ { "a", one } }, inflated(inflater, hpack.literal("a", one, { huffman = true })))
    end
  end)

  it("read what the other has written", function()
    local decoder, r = hpack.decoder(), mutate.random(7, 1)
    for _ = 1, 200 do
      local fields = {}
      for i = 1, 1 + r:below(8) do
        local index = r:below(90)
        local known = hpack.static[index]
        local value = known and r:one_in(2) and known[2] or ("v"):rep(r:below(300))
        fields[i] = { known and known[1] or "x-" .. index, value }
      end
      assert.same(fields, plain(assert(decoder:decode(deflated(deflater, fields)))))
      local how = { how = r:pick { "plain", "kept", "never" }, huffman = r:one_in(2) }
      assert.same(fields, inflated(inflater, hpack.block(fields, how)))
    end
  end)

  it("find the same blocks wrong", function()
    local differ = {}
    for number = 1, 3000 do
      local r, list = mutate.random(3, number), {}
      for i = 1, 1 + r:below(12) do list[i] = string.char(r:below(256)) end
      local block, made = table.concat(list), ffi.new "void *[1]"
      assert(other.nghttp2_hd_inflate_new(made) == 0)
      local theirs = inflated(made[0], block)
      other.nghttp2_hd_inflate_del(made[0])
      local ours = hpack.decoder():decode(block)
      if (theirs == nil) ~= (ours == nil) then differ[#differ + 1] = hex(block) end
    end
    assert.same({}, differ)
  end)
end)

describe("frames of specs", function()
  it("come out as they went in", function()
    local text = frames.data(3, "abc", { last = true, padding = 4 }) .. frames.ping "12345678"
    local first = frames.next(text)
    assert.same({ "DATA", 9, 3 }, { first.type, first.flags, first.stream })
    assert.equal("abc", frames.body(first))
    assert.equal("PING", frames.next(text, first.stop).type)
    assert.is_nil(frames.next(text, first.stop + 1))
  end)

  local JUDGED = {
    { "no SETTINGS at first", frames.ping "12345678", "first frame is no SETTINGS" },
    { "an answer on a stream that nobody opened", frames.settings() .. frames.headers(9, { { ":status", "200" } }),
      "which we have not opened" },
    { "DATA beyond the window", frames.settings() .. frames.headers(1, { { ":status", "200" } })
      .. (frames.data(1, ("x"):rep(16384))):rep(4), "beyond its window by 1" },
    { "a length that is wrong",
      frames.settings() .. frames.headers(1, { { ":status", "200" }, { "content-length", "4" } })
      .. frames.data(1, "abc", { last = true }), "its content%-length is 4" },
    { "DATA behind the end", frames.settings() .. frames.headers(1, { { ":status", "200" } }, { last = true })
      .. frames.data(1, ""), "behind its END_STREAM" },
    { "a field of the connection",
      frames.settings() .. frames.headers(1, { { ":status", "200" }, { "connection", "x" } }),
      "a field connection" },
    { "a frame that is too large", frames.settings() .. frames.headers(1, { { ":status", "200" } })
      .. frames.data(1, ("x"):rep(16385)), "a frame of 16385 bytes" },
    { "a block cut by another frame", frames.settings() .. frames.headers(1, { { ":status", "200" } }, { open = true })
      .. frames.ping "12345678", "within a block" },
  }
  for _, case in ipairs(JUDGED) do
    it("are judged: " .. case[1], function()
      local peer = h2_peer.new { role = "client", send = function() end, credit = false }
      peer:said(frames.PREFACE .. frames.settings()
        .. frames.headers(1, { { ":method", "GET" }, { ":path", "/" }, { ":scheme", "http" } }, { last = true }))
      peer:take(case[2])
      assert.matches(case[3], table.concat(peer.faults, ", "))
    end)
  end
end)

describe("a backend of specs", function()
  after_each(play.curtain)

  local function echo()
    return h2.backend(function(s)
      s:whole()
      local trailers = s.body ~= "" and { { "x-sum", "1" } }
      s:answer(("%s %s %d"):format(s.method, s.path, #s.body), { { "x-fine", "yes" } }, trailers)
    end)
  end

  it("serves the client of specs", function()
    local backend = echo()
    local p = h2.client(backend.address)
    assert.equal("GET /a 0", p:fetch("/a").body)
    local two = { p:get("/b", { body = ("x"):rep(200000) }), p:get "/c" }
    assert.equal("POST /b 200000", p:response(two[1]).body)
    assert.same({ { "x-sum", "1" } }, p:response(two[1]).trailers)
    assert.equal("GET /c 0", p:response(two[2]).body)
    p:ping()
    p:check()
  end)

  it("serves nghttp", function()
    local backend = echo()
    local out = play.run { "nghttp", "-nv", "http://" .. backend.address .. "/n", seconds = 60 }
    assert.equal(0, out.code)
    assert.matches(":status: 200", out.out)
    assert.matches("x%-fine: yes", out.out)
  end)

  it("serves curl", function()
    local backend = echo()
    local body = play.file("body", ("x"):rep(300000))
    local out = peers.curl(backend, { "--http2-prior-knowledge", "http://%s/c", "-d", "@" .. body })
    assert.equal("POST /c 300000", out.out)
  end)
end)
