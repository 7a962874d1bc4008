-- The policies of scripts/examples/ that route requests, each between real backends: what its first
-- comment promises, and what it refuses. Those that refuse clients are in example_guards_spec.
local example = require "spec.support.example_policy"
local play = require "spec.support.play"

local KEY = "0123456789abcdef0123456789abcdef"

describe("the example", function()
  local lb

  after_each(function()
    example.curtain(lb)
    lb = nil
  end)

  local function said(target, options) return example.answer(lb:fetch(target, options)) end

  local function said_to_admin(method, target)
    return example.answer(play.fetch(lb.admin, target, { method = method }))
  end

  for _, name in ipairs(example.names()) do
    it(name .. " passes lb check", function()
      local checked = play.lb({ "check", "scripts/examples/" .. name .. ".lua" }, { env = { JWT_SECRET = KEY } })
      assert.equal(0, checked.code, checked.err)
    end)
  end

  describe("path_groups", function()
    it("sends each folder to its backends, however it is written", function()
      lb = example.start("path_groups", {
        play.hello "site", play.hello "api 1", play.hello "api 2", play.hello "reports",
      })
      assert.equal("site", said "/")
      assert.equal("site", said "/apis")
      assert.same({ "api 1", "api 2" }, { said "/api", said "/api/x" })
      assert.same({ "api 1", "api 2" }, { said "//api/x", said "/%61pi" })
      assert.equal("reports", said "/api/reports/7")
      assert.equal("reports", said "/api/x/../reports")
    end)

    it("answers 503 for a folder that nobody serves, and 400 for a path that hides", function()
      lb = example.start("path_groups", { play.hello "site", nil, nil, play.hello "reports" })
      assert.equal(503, said "/api/x")
      assert.equal(400, said "/api%2fx")
      assert.equal("site", said "/")
    end)
  end)

  describe("virtual_hosts", function()
    it("sends each host to its backends", function()
      lb = example.start("virtual_hosts", { play.hello "www", play.hello "api", play.hello "customers" })
      assert.equal("www", said("/", { host = "example.com" }))
      assert.equal("api", said("/", { host = "API.example.com.:80" }))
      assert.equal("customers", said("/", { host = "a.example.net" }))
    end)

    it("knows no other host, and takes no site for another that is down", function()
      lb = example.start("virtual_hosts", { play.hello "www", nil, play.hello "customers" })
      assert.equal(421, said("/", { host = "other.example.com" }))
      assert.equal(421, said("/", { host = "example.net" }))
      assert.equal(421, said("/", { host = "a.b.example.net" }))
      assert.equal(503, said("/", { host = "api.example.com" }))
    end)
  end)

  describe("blue_green", function()
    it("switches all workers at once, and back", function()
      lb = example.start("blue_green", { play.hello "is blue", play.hello "is green" }, { workers = 2 })
      for _ = 1, 4 do assert.equal("is blue", said "/") end
      assert.equal("green\n", said_to_admin("POST", "/live/green"))
      for _ = 1, 4 do assert.equal("is green", said "/live/blue") end
      assert.equal("green\n", said_to_admin("GET", "/live"))
      assert.equal("blue\n", said_to_admin("POST", "/live/blue"))
      assert.equal("is blue", said "/")
    end)

    it("sends nothing to the other colour, and takes no other word", function()
      lb = example.start("blue_green", { nil, play.hello "is green" })
      assert.equal(503, said "/")
      assert.equal(405, said_to_admin("GET", "/live/green"))
      assert.equal(404, said_to_admin("POST", "/live/red"))
      assert.equal("blue\n", said_to_admin("GET", "/live"))
    end)
  end)

  describe("tiers", function()
    it("asks the second tier only when the first is down", function()
      local first = play.hello "first"
      lb = example.start("tiers", { first, nil, play.hello "second" })
      for _ = 1, 4 do assert.equal("first", said "/") end
      first:stop()
      for _ = 1, 4 do assert.equal("second", said "/") end
    end)

    it("spills when the first tier is full, and refuses when both are", function()
      local held = {}
      local function holding()
        return play.answering(function(_, conn)
          held[#held + 1] = conn
          conn:ended_by_peer(60)
          return ""
        end)
      end
      lb = example.start("tiers", { holding(), holding(), holding() }, { change = { ["FULL = 10"] = "FULL = 1" } })
      local clients = {}
      for i = 1, 3 do
        clients[i] = lb:connect()
        clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        play.wait("a request at a backend", function() return #held == i end)
      end
      local refused = lb:fetch "/"
      assert.equal(503, refused.status)
      assert.equal("1", refused:field "Retry-After")
      assert.equal("all tiers are full", lb:exchange({ status = 503 }).why)
      for _, client in ipairs(clients) do client:close() end
      for _ = 1, 3 do lb:exchange({ status = 499 }) end
      assert.same({ "tier 1", "tier 1", "tier 2" }, (function()
        local tiers = {}
        play.wait("three lines", function() return #lb:exchanges { status = 499 } == 3 end)
        for i, exchange in ipairs(lb:exchanges { status = 499 }) do tiers[i] = exchange.why end
        table.sort(tiers)
        return tiers
      end)())
    end)
  end)

  describe("rewrite", function()
    it("takes the folder away on the way in, and gives it back on the way out", function()
      local shop = play.answering(function(request)
        return request.target .. " at " .. request:field "host", "302 Found",
          "Location: http://shop.internal/cart\r\nSet-Cookie: a=1; Path=/; Secure\r\nSet-Cookie: b=2; path=/cart\r\n"
      end)
      lb = example.start("rewrite", { shop })
      local response = lb:fetch "/shop/cart?x=1"
      assert.equal("/cart?x=1 at shop.internal", response.body)
      assert.equal("/shop/cart", response:field "Location")
      assert.same({ "a=1; Path=/shop/; Secure", "b=2; Path=/shop/cart" }, response:values "Set-Cookie")
      assert.equal("/shop", shop.requests[1]:field "X-Forwarded-Prefix")
    end)

    it("leaves redirects to elsewhere as they are, and serves nothing else", function()
      lb = example.start("rewrite", { play.answering(function()
        return "", "302 Found", "Location: https://example.org/cart\r\n"
      end) })
      assert.equal("https://example.org/cart", lb:fetch("/shop/"):field "Location")
      assert.equal("/shop/", lb:fetch("/shop"):field "Location")
      assert.equal(404, said "/shopping")
      assert.equal(404, said "/")
    end)
  end)

  describe("redirects", function()
    local HTTPS = "X-Forwarded-Proto: https\r\n"

    it("sends clients to where a page is now, in one step", function()
      lb = example.start("redirects", { play.hello "page" })
      local function place(host, target, fields)
        local response = lb:fetch(target, { host = host, fields = fields })
        assert.equal(308, response.status)
        return response:field "Location"
      end
      assert.equal("https://www.example.com/a?b=1", place("www.example.com", "/a?b=1"))
      assert.equal("https://www.example.com/a", place("example.net", "/a", HTTPS))
      assert.equal("https://www.example.com/about?b", place("EXAMPLE.com", "/about-us?b"))
      assert.equal("https://www.example.com/rss", place("www.example.com", "/feed.xml", HTTPS))
      local asterisk = lb:fetch("*", { host = "example.com", method = "OPTIONS" })
      assert.equal("https://www.example.com/", asterisk:field "Location")
      assert.equal("page", said("/a", { host = "www.example.com", fields = HTTPS }))
    end)

    it("sends nobody to a host that a client made up", function()
      lb = example.start("redirects", { play.hello "page" })
      local response = lb:fetch("/", { host = "evil.example" })
      assert.equal(421, response.status)
      assert.is_nil(response:field "Location")
    end)
  end)

  describe("maintenance", function()
    it("closes the site for all workers, and opens it again", function()
      lb = example.start("maintenance", { play.hello "open" }, { workers = 2 })
      assert.equal("open", said "/")
      assert.equal("closed\n", said_to_admin("POST", "/close"))
      for _ = 1, 4 do
        local response = lb:fetch "/"
        assert.equal(503, response.status)
        assert.equal("600", response:field "Retry-After")
        assert.truthy(response.body:find("back at ten", 1, true))
      end
      assert.equal("open\n", said_to_admin("POST", "/open"))
      assert.equal("open", said "/")
    end)

    it("lets the office pass, and only the admin address switch", function()
      lb = example.start("maintenance", { play.hello "open" }, { change = { ["10.0.0.0/8"] = "127.0.0.0/8" } })
      assert.equal(405, said_to_admin("GET", "/close"))
      assert.equal(404, said_to_admin("POST", "/"))
      assert.equal("open", said("/close", { method = "POST" }))
      said_to_admin("POST", "/close")
      assert.equal("open", said "/")
    end)
  end)
end)
