-- Messages that the parser reads, however their bytes are cut into reads.
local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"
local parsing = require "spec.support.parsing"

local read, response = parsing.read, parsing.response
local message, chunked = parsing.message, parsing.chunked
local POST, OK, CHUNKED = parsing.POST, parsing.OK, parsing.CHUNKED

describe("the parser, however the bytes are cut,", function()
  describe("reads a request", function()
    local long = ("x"):rep(60000)
    local cases = {
      { "without a field", "GET / HTTP/1.1\r\n\r\n", message("GET / 1.1", {}) },
      { "of HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", message("GET / 1.0", {}) },
      { "with fields as they came, in order, letter case and repetition",
        "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-b: 2\r\nx-B: 1\r\nhost2:y\r\n\r\n",
        message("GET /a?b=c 1.1", { "Host: x", "X-b: 2", "x-B: 1", "host2: y" }) },
      { "with empty values", "GET / HTTP/1.1\r\nA:\r\nB: \r\nC:\t \t\r\nD: d\r\n\r\n",
        message("GET / 1.1", { "A: ", "B: ", "C: ", "D: d" }) },
      { "with white space around values, and inside", "GET / HTTP/1.1\r\nA: \t b  c\t d \t\r\nB:e\r\n\r\n",
        message("GET / 1.1", { "A: b  c\t d", "B: e" }) },
      { "with colons in a value", "GET / HTTP/1.1\r\nA:::b:\r\n\r\n", message("GET / 1.1", { "A: ::b:" }) },
      { "with bytes above 0x7f in a value", "GET / HTTP/1.1\r\nA: \195\188\255\128\r\n\r\n",
        message("GET / 1.1", { "A: \195\188\255\128" }) },
      { "with a long value", "GET / HTTP/1.1\r\nA: " .. long .. "\r\nB: c\r\n\r\n",
        message("GET / 1.1", { "A: " .. long, "B: c" }) },
      { "with a long name", "GET / HTTP/1.1\r\n" .. long .. ": b\r\n\r\n", message("GET / 1.1", { long .. ": b" }) },
      { "with an absolute target", "GET http://a.b:80/c?d HTTP/1.1\r\nHost: e\r\n\r\n",
        message("GET http://a.b:80/c?d 1.1", { "Host: e" }) },
      { "for all of the server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        message("OPTIONS * 1.1", { "Host: x" }) },
      { "for a tunnel, and nothing behind it", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n\22\3\1",
        message("CONNECT a:80 1.1", { "Host: a:80" }, "", "\22\3\1") },
      { "and not the next one", "GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        message("GET / 1.1", {}, "", "GET /2 HTTP/1.1\r\n\r\n") },
      { "behind a few empty lines", "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", message("GET / 1.1", {}) },
      { "and leaves the empty lines behind it", "GET / HTTP/1.1\r\n\r\n\r\n\r\n",
        message("GET / 1.1", {}, "", "\r\n\r\n") },
      { "with a body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        message("POST / 1.1", { "Content-Length: 5" }, "hello") },
      { "with a body, and not the next one", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1",
        message("POST / 1.1", { "Content-Length: 5" }, "hello", "GET / HTTP/1.1") },
      { "with a body that looks like a request", "PUT / HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nX",
        message("PUT / 1.1", { "Content-Length: 18" }, "GET / HTTP/1.1\r\n\r\n", "X") },
      { "with a body of any bytes", "PUT / HTTP/1.1\r\nContent-Length: 6\r\n\r\n\0\r\n\255\127\1",
        message("PUT / 1.1", { "Content-Length: 6" }, "\0\r\n\255\127\1") },
      { "with a body of no bytes", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nX",
        message("POST / 1.1", { "Content-Length: 0" }, "", "X") },
      { "with a body though its method needs none", "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiX",
        message("GET / 1.1", { "Content-Length: 2" }, "hi", "X") },
      { "with a long body", "POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" .. long .. "X",
        message("POST / 1.1", { "Content-Length: 60000" }, long, "X") },
      { "whose length has white space around it", "POST / HTTP/1.1\r\nContent-Length:\t 5 \t\r\n\r\nhelloX",
        message("POST / 1.1", { "Content-Length: 5" }, "hello", "X") },
      { "whose coding has white space around it",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \tchunked\t \t\r\n\r\n0\r\n\r\nX", chunked("", "X") },
      { "with more in its query than a URI may have", "GET /?a=\"<>\\^`{|} HTTP/1.1\r\n\r\n",
        message("GET /?a=\"<>\\^`{|} 1.1", {}) },
      { "that asks for an upgrade as any other",
        "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\129\0",
        message("GET / 1.1", { "Connection: Upgrade", "Upgrade: websocket" }, "", "\129\0") },
      { "that asks for an upgrade, and its body",
        "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhiX",
        message("POST / 1.1", { "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 2" }, "hi", "X") },
      { "that ends the connection, and what is behind it all the same",
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET ",
        message("GET / 1.1", { "Connection: close" }, "", "GET ") },
    }
    local methods = { "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "M-SEARCH", "CONNECT", "FROB",
      "GETS", "get", "Get", "G", "X-1", "!#$%&'*+-.^_`|~9", "PRI", "HTTP", ("M"):rep(5000) }
    for _, method in ipairs(methods) do
      table.insert(cases, { "of the method " .. method:sub(1, 50),
        method .. " /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiX",
        message(method .. " /a 1.1", { "Content-Length: 2" }, "hi", "X") })
    end
    for _, case in ipairs(cases) do
      local what, bytes, expected = unpack(case)
      it(what, function() assert.same(expected, read(bytes)) end)
    end
  end)

  describe("reads chunks", function()
    local long = ("x"):rep(70000)
    local cases = {
      { "of which there are none", "0\r\n\r\n", "" },
      { "of any bytes", "4\r\n\r\n0\0\r\n2\r\n\r\n\r\n0\r\n\r\n", "\r\n0\0\r\n" },
      { "whose sizes have digits of any letter case", "a\r\n0123456789\r\nB\r\n0123456789A\r\n0\r\n\r\n",
        "01234567890123456789A" },
      { "whose sizes begin with zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello" },
      { "that are large", "11170\r\n" .. long .. "\r\n0\r\n\r\n", long },
      { "that are many", ("1\r\nx\r\n"):rep(100) .. "0\r\n\r\n", ("x"):rep(100) },
      { "without their extensions", "5;a\r\nhello\r\n1;b=c\r\n!\r\n1;d=\"e; f\"\r\n?\r\n0;last\r\n\r\n", "hello!?" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, body = unpack(case)
      it(what, function()
        for _, behind in ipairs { "", "GET / HTTP/1.1\r\n\r\n" } do
          assert.same(chunked(body, behind), read(POST .. bytes .. behind))
          assert.same(message("1.1 200 OK", CHUNKED, body, behind), response(OK .. bytes .. behind))
        end
      end)
    end

    it("and the trailers behind them, which are no fields of the head", function()
      local lines = "Check: abc\r\nHost:\r\nContent-Length: 5\r\nTransfer-Encoding:\t chunked \r\ncheck:  d:e\t\r\n"
      for _, behind in ipairs { "", "GET / HTTP/1.1\r\n\r\n" } do
        local expected = chunked("hello", behind)
        expected.trailers = { "Check: abc", "Host: ", "Content-Length: 5", "Transfer-Encoding: chunked", "check: d:e" }
        assert.same(expected, read(POST .. "5\r\nhello\r\n0\r\n" .. lines .. "\r\n" .. behind))
        expected.head = "1.1 200 OK"
        assert.same(expected, response(OK .. "5\r\nhello\r\n0\r\n" .. lines .. "\r\n" .. behind))
      end
    end)

    it("and leaves much that is behind them", function()
      local last = POST .. "5\r\nhello\r\n"
      local behind = ("x"):rep(30000)
      assert.same(chunked("hello", behind), read(last .. "0\r\n\r\n" .. behind, { split = #last }))
    end)
  end)

  describe("reads a response", function()
    local cases = {
      { "with a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX",
        message("1.1 200 OK", { "Content-Length: 5" }, "hello", "X") },
      { "of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhelloX",
        message("1.0 200 OK", { "Content-Length: 5" }, "hello", "X") },
      { "without a reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\nX",
        message("1.1 404 ", { "Content-Length: 0" }, "", "X") },
      { "without a reason and the space before it", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\nX",
        message("1.1 404 ", { "Content-Length: 0" }, "", "X") },
      { "with any reason", "HTTP/1.1 599 It's  so:\tb\195\182d! \r\nContent-Length: 0\r\n\r\n",
        message("1.1 599 It's  so:\tb\195\182d! ", { "Content-Length: 0" }) },
      { "and its fields as they came", "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\n" ..
        "Content-Length: 0\r\nDate:\r\nSet-Cookie: a\r\n\r\n",
        message("1.1 200 OK",
          { "Set-Cookie: a", "set-cookie: b", "Content-Length: 0", "Date: ", "Set-Cookie: a" }) },
      { "that says 101 and not what is behind it",
        "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\129\0",
        message("1.1 101 OK", { "Connection: Upgrade", "Upgrade: x" }, "", "\129\0") },
      { "that offers an upgrade as any other",
        "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\naX",
        message("1.1 200 OK", { "Connection: Upgrade", "Upgrade: x", "Content-Length: 1" }, "a", "X") },
      { "that ends the connection, to its length",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\naX",
        message("1.1 200 OK", { "Connection: close", "Content-Length: 1" }, "a", "X") },
    }
    for _, case in ipairs(cases) do
      local what, bytes, expected = unpack(case)
      it(what, function() assert.same(expected, response(bytes)) end)
    end

    local framings = { "Content-Length: 5", "Transfer-Encoding: chunked", "X: y" }
    for _, framing in ipairs(framings) do
      it("to HEAD without a body, with " .. framing, function()
        assert.same(message("1.1 200 OK", { framing }, "", "HTTP/1.1"),
          response("HTTP/1.1 200 OK\r\n" .. framing .. "\r\n\r\nHTTP/1.1", { answers_head = true }))
      end)
      for _, status in ipairs { 100, 101, 102, 103, 199, 204, 304 } do
        it(("that says %d without a body, with %s"):format(status, framing), function()
          assert.same(message("1.1 " .. status .. " Z", { framing }, "", "HTTP/1.1"),
            response("HTTP/1.1 " .. status .. " Z\r\n" .. framing .. "\r\n\r\nHTTP/1.1"))
        end)
      end
    end

    it("behind interim ones, one after the other", function()
      local first = response "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
      assert.equal("1.1 100 Go", first.head)
      local second = response(first.rest)
      assert.same({ "1.1 103 Hint", { "Link: a" } }, { second.head, second.fields })
      assert.equal("1.1 200 OK", response(second.rest).head)
    end)
  end)

  describe("takes the end of the connection as", function()
    local cases = {
      { "the end of a body without a length", "HTTP/1.1 200 OK\r\n\r\nhello", "end", "hello" },
      { "the end of an empty body without a length", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "end", "" },
      { "the end of a body of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "end",
        "HTTP/1.1 200 OK\r\n\r\n" },
      { "the end of a body that said so", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "end", "hello" },
      { "a cut before the first byte of a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "cut", "" },
      { "a cut in a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "cut", "hell" },
      { "a cut before the first chunk", OK, "cut", "" },
      { "a cut in a chunk's size", OK .. "5", "cut", "" },
      { "a cut in a chunk", OK .. "5\r\nhell", "cut", "hell" },
      { "a cut behind a chunk", OK .. "5\r\nhello\r\n", "cut", "hello" },
      { "a cut behind the last size", OK .. "5\r\nhello\r\n0\r\n", "cut", "hello" },
      { "a cut in the trailers", OK .. "0\r\nA: b\r\n", "cut", "" },
      { "a cut in the last line end", OK .. "0\r\n\r", "cut", "" },
      { "a cut in the head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "cut" },
      { "a cut in the head's last line end", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r", "cut" },
      { "a cut in the status line", "HTTP/1.1 20", "cut" },
      { "a cut where there is nothing", "", "cut" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, result, body = unpack(case)
      it(what, function()
        local seen = response(bytes, { finish = true })
        assert.same({ result, body }, { seen.result, seen.body })
      end)
    end

    for _, bytes in ipairs { "", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r",
      "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", POST .. "5\r\nhello\r\n" } do
      it(("a cut in a request: %q"):format(bytes), function()
        assert.equal("cut", read(bytes, { finish = true }).result)
      end)
    end
  end)

  it("has failed for good: what is fed behind a fault changes nothing", function()
    for _, bytes in ipairs { "GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n", "G@T", "GET / HTTP/1.1\r\nHost: x\n" } do
      local arena = http.arena()
      local parse = http.parser({}, arena)
      local step, failed, why
      for at = 1, #bytes do
        step = http.feed(parse, bytes:sub(at, at))
        failed = failed or step == "failed" and at
        if failed then
          assert.equal("failed", step)
          why = why or ffi.string(parse.why)
          assert.equal(why, ffi.string(parse.why))
        end
      end
      assert.truthy(failed)
      if bytes:find "Host" then assert.equal("/", http.text(parse.head.target)) end
      core.parse_dispose(parse)
    end
  end)

  it("comes to the same in pieces of any size", function()
    local bytes = "\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nTransfer-Encoding: Chunked\r\n\r\n"
      .. "5;a=b\r\nhello\r\n3;c\r\n\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    local expected = read(bytes)
    assert.same({ "end", "hello\r\n!", "GET / HTTP/1.1\r\n\r\n" }, { expected.result, expected.body, expected.rest })
    assert.same({ "Trailer: x" }, expected.trailers)
    math.randomseed(7)
    for _ = 1, 2000 do
      local most = math.random(1, 20)
      local seen = http.read(bytes, function(at) return at + math.random(1, most) end, {})
      seen.head_bytes = nil
      assert.same(expected, seen)
    end
  end)
end)

describe("the parser", function()
  -- What each piece led to, and the parser.
  local function fed(pieces, options)
    local parse = http.parser(options or {}, http.arena())
    local steps = {}
    for i, piece in ipairs(pieces) do steps[i] = ("%s %d"):format(http.feed(parse, piece)) end
    return steps, parse
  end

  it("stops behind a head, then behind the message, and says how much it used", function()
    local head = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
    local steps, parse = fed { head .. "hiX", "hiX" }
    core.parse_dispose(parse)
    assert.same({ ("head %d"):format(#head), "end 2" }, steps)
  end)

  it("reports the end of a message without a body with the next byte, which it does not use", function()
    for _, options in ipairs { {}, { response = true } } do
      local head = options.response and "HTTP/1.1 204 OK\r\n\r\n" or "GET / HTTP/1.1\r\n\r\n"
      local steps, parse = fed({ head, "X" }, options)
      assert.same({ ("head %d"):format(#head), "end 0" }, steps)
      assert.is_false(parse.has_body)
      core.parse_dispose(parse)
    end
  end)

  it("knows whether a body comes", function()
    local cases = {
      { "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", true },
      { "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false },
      { "POST / HTTP/1.1\r\n\r\n", false },
      { POST, true },
      { "HTTP/1.1 200 OK\r\n\r\n", true, { response = true } },
      { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, { response = true } },
      { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", false, { response = true, answers_head = true } },
      { OK, true, { response = true } },
    }
    for _, case in ipairs(cases) do
      local bytes, expected, options = unpack(case)
      local _, parse = fed({ bytes }, options)
      assert.same({ bytes, expected }, { bytes, parse.has_body })
      core.parse_dispose(parse)
    end
  end)

  it("is at its start until the first byte of a message", function()
    local _, parse = fed {}
    assert.is_true(core.parse_is_at_start(parse))
    http.feed(parse, "\r\n")
    http.feed(parse, "\r")
    assert.is_true(core.parse_is_at_start(parse))
    http.feed(parse, "\nG")
    assert.is_false(core.parse_is_at_start(parse))
    http.feed(parse, "ET / HTTP/1.1\r\n\r\n")
    assert.is_false(core.parse_is_at_start(parse))
    core.parse_dispose(parse)
  end)

  it("passes a piece of a body on as soon as it is there", function()
    local _, parse = fed { POST }
    http.pieces()
    local function pieces_of(bytes)
      http.feed(parse, bytes)
      return http.pieces()
    end
    assert.same({}, pieces_of "5\r\n")
    assert.same({ "hel" }, pieces_of "hel")
    assert.same({ "lo" }, pieces_of "lo\r")
    assert.same({ "a", "b" }, pieces_of "\n1\r\na\r\n1\r\nb\r\n")
    core.parse_dispose(parse)
  end)
end)
