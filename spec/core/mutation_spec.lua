-- Mutated messages through the parser, and the independent reader that judges
-- them. `make fuzz` runs more.
local mutate = require "spec.support.mutate"
local mutated_heads = require "spec.support.mutated_heads"
local reader = require "spec.support.reader"
local readings = require "spec.support.readings"

local NUMBER = 20000

local function lines(text) return (text:gsub("|", "\r\n")) end

local function described(findings)
  local list = {}
  for i, one in ipairs(findings) do
    list[i] = ("heads:%d:%d %s; %s"):format(one.seed, one.number, one.what, mutate.escaped(one.bytes, 400))
  end
  return list
end

describe("mutated messages", function()
  it("give the parser one result, however they are cut, and only what the strict reader takes is accepted", function()
    local findings, counts = mutated_heads.run { seed = 1, from = 1, to = NUMBER }
    assert.same({}, described(findings))
    -- Neither all of them nor none: else it says nothing.
    assert.is_true(counts.accepted > NUMBER / 10 and counts.refused > NUMBER / 10)
  end)

  it("are the same on every machine", function()
    local seen = {}
    for number = 1, 200 do
      local r = mutate.random(7, number)
      seen[number] = mutate.mutate(r, mutate.request(r, number), mutate.response(r, number))
    end
    local sum = 0
    for byte in table.concat(seen):gmatch "." do sum = (sum * 31 + byte:byte()) % 2 ^ 31 end
    assert.equal(1912227462, sum)
  end)

  it("differ from each other", function()
    local seen, different = {}, 0
    for number = 1, 1000 do
      local r = mutate.random(1, number)
      local bytes = mutate.mutate(r, mutate.request(r, 0), mutate.request(r, 0))
      if not seen[bytes] then different = different + 1 end
      seen[bytes] = true
    end
    assert.is_true(different > 900)
  end)

  it("lose no byte when they are cut", function()
    for number = 1, 500 do
      local r = mutate.random(3, number)
      local bytes = mutate.request(r, number)
      assert.equal(bytes, table.concat(mutate.cuts(r, bytes)))
    end
  end)
end)

describe("the strict reader of requests", function()
  local whole = {
    { "without a body", "GET / HTTP/1.1|Host: a||", { "" } },
    { "of HTTP/1.0 without a Host", "GET / HTTP/1.0||", { "" } },
    { "with a length", "POST / HTTP/1.1|Host: a|Content-Length: 5||hello", { "hello" } },
    { "in chunks", "POST / HTTP/1.1|Host: a|Transfer-Encoding: Chunked||5;a=\"b\\\"c\" ;d|hello|0005|world|0|X: y||",
      { "helloworld" } },
    { "one behind the other", "POST / HTTP/1.1|Host: a|Content-Length: 1||xGET / HTTP/1.1|Host: a||", { "x", "" } },
    { "in absolute form", "GET http://[::1]:80/a?b HTTP/1.1|Host: a||", { "" } },
    { "for all of the server", "OPTIONS * HTTP/1.1|Host: a||", { "" } },
  }
  for _, case in ipairs(whole) do
    it("takes requests " .. case[1], function()
      local list, how = reader.requests(lines(case[2]))
      assert.equal("whole", how)
      local bodies = {}
      for i, request in ipairs(list) do bodies[i] = request.body end
      assert.same(case[3], bodies)
      assert.is_nil(readings.of_requests(lines(case[2]), list, how))
    end)
  end

  local CHUNKED = "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||"
  local bad = {
    "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1|Host: a\rb||", "GET / HTTP/1.1|Host: a|X: \0||",
    "GET  / HTTP/1.1|Host: a||", "GET /\tHTTP/1.1|Host: a||", "GET / http/1.1|Host: a||", "GET / HTTP/1.2|Host: a||",
    "GET /|", "G\"T / HTTP/1.1|Host: a||", "GET /# HTTP/1.1|Host: a||", "GET /\195 HTTP/1.1|Host: a||",
    "GET * HTTP/1.1|Host: a||", "GET a HTTP/1.1|Host: a||", "GET http:///a HTTP/1.1|Host: a||", "GET / HTTP/1.1||",
    "GET / HTTP/1.1|Host: a|Host: a||", "GET / HTTP/1.1|Host: a b||", "GET / HTTP/1.1|Host: a,b||",
    "GET / HTTP/1.1|Host: a%2||", "GET / HTTP/1.1|Host: [::1]2||", "GET / HTTP/1.1|Host: a:70000||",
    "GET / HTTP/1.1|Host: a:b||", "GET / HTTP/1.1|Host: a|X: y| z||", "GET / HTTP/1.1|Host: a|X : y||",
    "GET / HTTP/1.1|Host: a|: y||", "GET / HTTP/1.1|Host: a|X||",
    "GET / HTTP/1.1|Host: a|Content-Length: 0|Content-Length: 0||", "GET / HTTP/1.1|Host: a|Content-Length: 0, 0||",
    "GET / HTTP/1.1|Host: a|Content-Length: +1||", "GET / HTTP/1.1|Host: a|Content-Length: ||",
    "GET / HTTP/1.1|Host: a|Content-Length: 18446744073709551616||", "GET / HTTP/1.0|Transfer-Encoding: chunked||",
    "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Content-Length: 0||0||",
    "GET / HTTP/1.1|Host: a|Transfer-Encoding: gzip, chunked||", "GET / HTTP/1.1|Host: a|Transfer-Encoding: x||",
    "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Transfer-Encoding: chunked||", CHUNKED .. "0x1|a|0||",
    CHUNKED .. "-1|a|0||", CHUNKED .. "1 |a|0||", CHUNKED .. "1;|a|0||", CHUNKED .. "1;a=|a|0||",
    CHUNKED .. "1;a=\"|a|0||", CHUNKED .. "1|ab|0||", CHUNKED .. "1\na|0||", CHUNKED .. "10000000000000000|a|0||",
    CHUNKED .. "1|a|0|X||", CHUNKED .. "1|a|0| X: y||", CHUNKED .. "1|a|0|X: y\n|", CHUNKED .. "|",
  }
  for _, text in ipairs(bad) do
    it("refuses " .. mutate.escaped(lines(text)), function()
      local _, how, why = reader.requests(lines(text))
      assert.equal("bad", how)
      assert.is_string(why)
    end)
  end

  it("takes every beginning of a request for a request that was cut", function()
    local text = lines "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||5;a=b|hello|0|X: y||"
    for size = 1, #text - 1 do
      local list, how = reader.requests(text:sub(1, size))
      assert.same({ size, "cut" }, { size, how })
      assert.is_nil(list[1].is_whole)
    end
  end)
end)

describe("the lenient readers", function()
  local function counted(text)
    local seen = {}
    for _, mode in ipairs(readings.modes) do
      local list, how = reader.requests(lines(text), mode)
      seen[mode.name] = #list .. " " .. how
    end
    return seen
  end

  it("see two requests where others see one", function()
    local smuggled = "GET /x HTTP/1.1|Host: a||"
    local cases = {
      ["bare LF"] = "GET / HTTP/1.1|Host: a|X: y\n\n" .. smuggled,
      ["bare CR"] = "GET / HTTP/1.1|Host: a|X: y\r\r" .. smuggled,
      ["first wins"] = "POST / HTTP/1.1|Host: a|Content-Length: 0|Content-Length: 25||" .. smuggled,
      ["last wins"] = "POST / HTTP/1.1|Host: a|Content-Length: 30|Transfer-Encoding: chunked||0||" .. smuggled,
      ["NUL ends"] = "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked\0x||0||" .. smuggled,
    }
    for name, text in pairs(cases) do assert.same({ name, "2 whole" }, { name, counted(text)[name] }) end
  end)

  it("are compared with the strict one, message by message", function()
    local text = lines "POST / HTTP/1.1|Host: a|Content-Length: 5||hello"
    local list, how = reader.requests(text)
    assert.is_nil(readings.of_requests(text, list, how))
    list[1].body = "other"
    assert.matches("differs in 'body'", readings.of_requests(text, list, how))
    assert.matches("0 messages, and 1", readings.of_requests(text, {}, how))
  end)
end)

describe("the strict reader of responses", function()
  local GET, HEAD = { method = "GET", version = "1.1" }, { method = "HEAD", version = "1.1" }
  local UPGRADE = { method = "GET", version = "1.1", wants_upgrade = true }

  local cases = {
    { "a length", "HTTP/1.1 200 OK|Content-Length: 5||hello", { GET }, "end", "whole" },
    { "a body that is short", "HTTP/1.1 200 OK|Content-Length: 6||hello", { GET }, "end", "cut" },
    { "chunks", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", { GET }, "end", "whole" },
    { "chunks without an end", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|", { GET }, "end", "cut" },
    { "a body that ends with the connection", "HTTP/1.1 200 OK||hello", { GET }, "end", "whole" },
    { "a body that a reset ends", "HTTP/1.1 200 OK||hello", { GET }, "reset", "cut" },
    { "no reason", "HTTP/1.1 200|Content-Length: 0||", { GET }, "end", "whole" },
    { "an answer to HEAD", "HTTP/1.1 200 OK|Content-Length: 5||", { HEAD }, nil, "whole" },
    { "interim ones", "HTTP/1.1 100 Continue||HTTP/1.1 103 Hints|A: b||HTTP/1.1 204 No||", { GET }, nil, "whole" },
    { "two for two", "HTTP/1.1 304 Not|Content-Length: 5||HTTP/1.1 200 OK|Content-Length: 0||", { GET, GET }, nil,
      "whole" },
    { "two for one", "HTTP/1.1 204 No||HTTP/1.1 204 No||", { GET }, nil, "surplus" },
    { "a tunnel", "HTTP/1.1 101 Switching|Upgrade: x||\1\2", { UPGRADE }, nil, "tunnel" },
    { "a tunnel nobody asked for", "HTTP/1.1 101 Switching|Upgrade: x||", { GET }, nil, "bad" },
    { "both framings", "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||0||", { GET }, "end", "bad" },
    { "a negative length", "HTTP/1.1 200 OK|Content-Length: -5||", { GET }, "end", "bad" },
    { "two lengths", "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||hello", { GET }, "end", "bad" },
    { "chunks in HTTP/1.0", "HTTP/1.0 200 OK|Transfer-Encoding: chunked||0||", { GET }, "end", "bad" },
    { "four digits", "HTTP/1.1 2000 OK|Content-Length: 0||", { GET }, "end", "bad" },
    { "a status of no class", "HTTP/1.1 600 OK|Content-Length: 0||", { GET }, "end", "bad" },
    { "another protocol", "SSH-2.0-x|", { GET }, "end", "bad" },
    { "a control byte in the reason", "HTTP/1.1 200 O\1K|Content-Length: 0||", { GET }, "end", "bad" },
  }
  for _, case in ipairs(cases) do
    local name, text, requests, ended, expected = unpack(case, 1, 5)
    it("takes " .. name .. " for " .. expected, function()
      local list, how = reader.responses(lines(text), requests, ended)
      assert.equal(expected, how)
      if how ~= "bad" then assert.is_nil(readings.of_responses(lines(text), requests, ended, list, how)) end
    end)
  end
end)
