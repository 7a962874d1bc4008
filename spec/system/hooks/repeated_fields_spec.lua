-- What a script reads of a request's fields: all of each, and what is forwarded to the backend.
local play = require "spec.support.play"
local request = require "spec.support.request"

-- What is sent, what is asked of the headers, and the answer. `built` is the same for spec/support.
local CASES = {
  ["joins what comes twice"] = {
    "X-A: 1\r\nx-a: 2\r\n", 'h["x-A"]', "1, 2", built = { ["X-A"] = { "1", "2" } },
  },
  ["joins empty ones, too"] = { "X-A:\r\nX-A: 1\r\n", 'h["x-a"]', ", 1", built = { ["X-A"] = { "", "1" } } },
  ["joins cookies as cookies"] = {
    "Cookie: a=1\r\nB: c\r\nCookie: d=2\r\n", "h.cookie", "a=1; d=2", built = { Cookie = { "a=1", "d=2" }, B = "c" },
  },
  ["leaves Set-Cookie apart"] = {
    "Set-Cookie: a=1, 2\r\nSet-Cookie: b\r\n", 'h["set-cookie"], unpack(h:all "set-cookie")', "a=1, 2|a=1, 2|b",
    built = { ["Set-Cookie"] = { "a=1, 2", "b" } },
  },
  ["gives each"] = { "X-A: 1\r\nx-a: 2\r\n", 'unpack(h:all "X-a")', "1|2", built = { ["X-A"] = { "1", "2" } } },
  ["gives each of none"] = { "", '#h:all "x-a", h:one "x-a"', "0|nil", built = {} },
  ["gives the one"] = { "X-A: 1, 2\r\n", 'h:one "x-A"', "1, 2", built = { ["X-A"] = "1, 2" } },
  ["gives no one of two"] = {
    "X-A: 1\r\nx-a: 1\r\n", 'h:one "x-a"', "nil|repeated", built = { ["X-A"] = { "1", "1" } },
  },
  ["gives no one of two that look alike"] = {
    "X_A: 2\r\nX-A: 1\r\n", 'h["x-a"], h:one "x-a"', "1|nil|repeated", built = { X_A = "2", ["X-A"] = "1" },
  },
  ["takes none for another"] = { "X_A: 2\r\n", 'h["x-a"], h:one "x-a"', "nil|nil", built = { X_A = "2" } },
  ["keeps its methods"] = {
    "one: 1\r\nAll: 2\r\nX-A: 3\r\n", 'h:one "x-a", h.All, h:one "one", h:all("all")[1]', "3|2|1|2",
    built = { one = "1", All = "2", ["X-A"] = "3" },
  },
}

-- What of these the script sees, the backend sees, and nothing else.
local SHOWN = {
  ["what Connection names"] = { "X-A: 1\r\nX-B: 2\r\nConnection: x-b, keep-alive\r\n", { "x-a", "x-b" } },
  ["what Connection names in vain"] = { "Cookie: a=1\r\nConnection: cookie, if-match\r\nIf-Match: *\r\n",
    { "cookie", "if-match" } },
  ["what is between neighbours"] = { "Proxy-Authorization: Basic x\r\nKeep-Alive: 5\r\n",
    { "proxy-authorization", "keep-alive" } },
  ["what others say of a client"] = { "X-Forwarded-Server: a\r\nForwarded: for=a\r\nX_Forwarded_For: 192.0.2.1\r\n",
    { "x-forwarded-server", "forwarded", "x_forwarded_for" } },
  ["what looks like framing"] = { "Content_Length: 5\r\n", { "content_length" } },
  ["the host of the target"] = { "", { "host" }, target = "http://of.target:81/" },
}

describe("ctx.headers", function()
  local lb
  setup(play.curtain)
  after_each(play.curtain)

  local function asking(expression) return ("local function ask(h) return %s end "):format(expression) end
  local function text_of(...)
    local texts = {}
    for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
    return table.concat(texts, "|")
  end
  local TEXT_OF = [[local function text_of(...)
    local texts = {}
    for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
    return table.concat(texts, "|")
  end ]]

  for what, case in pairs(CASES) do
    local fields, expression, expected = unpack(case)

    it(what, function()
      lb = play.balancer { script = asking(expression) .. TEXT_OF ..
        "return { choose = function(ctx) return ctx:respond { body = text_of(ask(ctx.headers)) } end }" }
      assert.equal(expected, lb:fetch("/", { fields = fields }).body)
    end)

    it(what .. ", as spec/support builds them", function()
      local ask = assert(loadstring(asking(expression) .. "return ask"))()
      assert.equal(expected, text_of(ask(request { headers = case.built }.headers)))
    end)
  end

  for what, case in pairs(SHOWN) do
    it("shows what the backend gets: " .. what, function()
      local fields, names = unpack(case)
      local backend = play.answering(function(seen)
        local texts = {}
        for i, name in ipairs(names) do texts[i] = seen:field(name) or "nil" end
        return table.concat(texts, "|")
      end)
      local asked = {}
      for i, name in ipairs(names) do asked[i] = ("h:one %q"):format(name) end
      lb = play.balancer { backends = { backend }, script = TEXT_OF .. "local function ask(h) return " ..
        "text_of((" .. table.concat(asked, "), (") .. ")) end return { choose = function(ctx, backends) " ..
        "return backends[1], { response_headers = { ['X-Seen'] = ask(ctx.headers) } } end }" }
      local response = lb:fetch(case.target or "/", { fields = fields })
      assert.equal(200, response.status)
      assert.equal(response.body, response:field "x-seen")
    end)
  end

  it("shows what a trusted proxy says of others", function()
    lb = play.balancer { script = [[return { trusted_proxies = "127.0.0.1", choose = function(ctx)
      return ctx:respond { body = ctx.headers["x-forwarded-for"] .. " " .. ctx.headers.forwarded } end }]] }
    local fields = "X-Forwarded-For: a\r\nX-Forwarded-For: b\r\nForwarded: for=c\r\n"
    assert.equal("a, b for=c", lb:fetch("/", { fields = fields }).body)
  end)

  it("are the same when the request is over", function()
    local backend = play.hello "x"
    lb = play.balancer { backends = { backend }, script = [[return { on_done = function(ctx)
      local one, why = ctx.headers:one "x-a"
      lb.log.info(ctx.headers.host .. " " .. ctx.headers["x-a"] .. " " .. why .. " " .. tostring(ctx.headers["x-b"]))
    end }]] }
    assert.equal(200, lb:fetch("http://of.target/",
      { fields = "X-A: 1\r\nX-A: 2\r\nX-B: 3\r\nConnection: x-b\r\n" }).status)
    assert.equal("of.target 1, 2 repeated nil", lb:event("script").message)
  end)

  for what, called in pairs {
    ["ctx.headers.all 'a'"] = "call it on headers, with a colon: ctx.headers:all%(name%)",
    ["ctx.headers:one()"] = "a header's name is a text, not a nil",
  } do
    it("say where they are asked wrongly: " .. what, function()
      lb = play.balancer { backends = { play.hello "x" }, script = "return { choose = function(ctx, backends)\n" ..
        "return backends[1], { why = tostring(" .. what .. ") } end }" }
      lb:fetch "/"
      assert.matches(":2: " .. called, lb:event("policy_error").message)
    end)
  end
end)
