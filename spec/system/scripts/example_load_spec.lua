-- The policies of scripts/examples/ that bound, spread, copy or keep work, each between real
-- backends: what its first comment promises, and what happens when something is full or fails.
local example = require "spec.support.example_policy"
local play = require "spec.support.play"

describe("the example", function()
  local lb

  after_each(function()
    example.curtain(lb)
    lb = nil
  end)

  local function said(target, options) return example.answer(lb:fetch(target, options)) end

  -- Sends a GET on a connection of its own; client:response() waits for the answer.
  local function asks(target)
    local client = lb:connect()
    client:send(("GET %s HTTP/1.1\r\nHost: example.test\r\n\r\n"):format(target))
    return client
  end

  -- Its backends hold each request until it is let go, but for /other.
  local function holding(name)
    local gate = { held = {} }
    function gate.backend()
      return play.answering(function(request, conn)
        if request.target == "/other" then return "page" end
        local one = { target = request.target }
        table.insert(gate.held, one)
        play.wait(name .. " to be let go", function() return one.may_go or conn.ended end, 60)
        return name
      end)
    end
    function gate.has(n) play.wait(n .. " held requests", function() return #gate.held == n end) end
    function gate.let_go()
      for _, one in ipairs(gate.held) do one.may_go = true end
    end
    return gate
  end

  describe("mirror", function()
    local ALL = { change = { ["10, 20"] = "100, 20" } }

    it("sends a copy of each GET, without what is secret, and gives the backend's answer", function()
      local shadow = play.answering(function() return "new", "500 Internal Server Error" end)
      lb = example.start("mirror", { play.hello "old", play.hello "old", [9] = shadow }, ALL)
      local fields = "Cookie: a=1\r\nAuthorization: Bearer x\r\nAccept: text/html\r\n"
      assert.equal("old", said("/a?b=1", { fields = fields }))
      assert.equal("a copy failed", lb:event("script").message)
      local copy = shadow.requests[1]
      assert.same({ "/a?b=1", "text/html" }, { copy.target, copy:field "Accept" })
      assert.is_nil(copy:field "Cookie" or copy:field "Authorization")
    end)

    it("copies nothing that may change something, and lets no client wait for a copy that hangs", function()
      local shadow = holding "shadow"
      lb = example.start("mirror", { play.hello "old", play.hello "old", [9] = shadow.backend() },
        { change = { ["10, 20"] = "100, 1" } })
      assert.equal("old", said("/", { method = "POST", body = "x" }))
      assert.equal("old", said "/first")
      shadow.has(1)
      -- One copy is under way, so there is no other.
      for _ = 1, 3 do assert.equal("old", said "/more") end
      lb:exchange(nil, 5)
      assert.equal("/first", shadow.held[1].target)
      assert.equal(1, #shadow.held)
      shadow.let_go()
    end)
  end)

  describe("breaker", function()
    it("answers 503 at once while most requests fail, and closes when a trial goes well", function()
      local is_ill = true
      local function backend()
        return play.answering(function() return "page", is_ill and "500 Internal Server Error" or "200 OK" end)
      end
      lb = example.start("breaker", { backend(), backend() }, { workers = 2 })
      for _ = 1, 20 do assert.equal(500, said "/") end
      lb:event("script", { message = "the breaker is open" })
      play.wait("a request that is refused", function() return said "/" == 503 end)
      assert.equal("the breaker is open", lb:exchange({ status = 503 }).why)
      is_ill = false
      play.wait("a trial", function() return said "/" == "page" end)
      lb:event("script", { message = "the breaker is closed" })
      for _ = 1, 10 do assert.equal("page", said "/") end
    end)

    it("stays closed while less than half fail", function()
      local function odd(request) return "page", request.target == "/bad" and "500 Internal Server Error" or nil end
      lb = example.start("breaker", { play.answering(odd), play.answering(odd) })
      for _ = 1, 15 do assert.same({ 500, "page", "page" }, { said "/bad", said "/", said "/" }) end
      lb:exchange(nil, 45)
      assert.equal("page", said "/")
      assert.same({}, lb:events "script")
    end)
  end)

  describe("hedge", function()
    it("gives the answer of the second backend when the first is slow", function()
      local slow = holding "slow"
      lb = example.start("hedge", { slow.backend(), play.hello "quick" })
      play.wait("a lookup that the slow one was asked first", function()
        assert.equal("quick", said "/lookup/1")
        return #slow.held > 0
      end)
      assert.truthy(lb:exchange().why:find "^answered by ")
      slow.let_go()
    end)

    it("sends what it cannot answer the usual way", function()
      local function ill() return "oh", "500 Internal Server Error" end
      lb = example.start("hedge", { play.answering(ill), play.answering(ill) })
      assert.equal(500, said "/lookup/1")
      assert.is_nil(lb:exchange().why)
      assert.equal(500, said("/lookup/1", { fields = "Cookie: a=1\r\n" }))
    end)
  end)

  describe("queue", function()
    local ONE = { change = { ["4, 50, 8"] = "1, 1, 8" } }

    it("lets others wait for a place, and the next one in when a client leaves", function()
      local gate = holding "report"
      lb = example.start("queue", { gate.backend(), gate.backend() }, ONE)
      local first, second = asks "/reports/1", asks "//reports/2"
      gate.has(1)
      assert.equal(503, said "/reports/3")                           -- one has the place, one waits
      first:close()
      gate.has(2)
      gate.let_go()
      assert.equal("report", second:response().body)
    end)

    it("refuses who has waited too long, and delays nothing else", function()
      local gate = holding "report"
      lb = example.start("queue", { gate.backend(), gate.backend() }, { change = { ["4, 50, 8"] = "1, 1, 0.1" } })
      local first = asks "/reports/1"
      gate.has(1)
      assert.equal(503, said "/reports/2")
      assert.equal("no place", lb:exchange({ status = 503 }).why)
      assert.equal("page", said "/other")
      gate.let_go()
      assert.equal("report", first:response().body)
    end)
  end)

  describe("weights_from_http", function()
    local QUICK = { change = { ["every(5"] = "every(0.05" } }

    it("spreads requests as the service says", function()
      local weights = '{ "a": 3, "b": 1 }'
      local service = play.answering(function() return weights end)
      lb = example.start("weights_from_http", { play.hello "a", play.hello "b", [9] = service }, QUICK)
      local function shares()
        local count = { a = 0, b = 0 }
        for _ = 1, 8 do
          local name = said "/"
          count[name] = count[name] + 1
        end
        return count.a .. ":" .. count.b
      end
      play.wait("the new weights", function() return shares() == "6:2" end)
      weights = '{ "a": 0, "b": 1 }'
      play.wait("a without requests", function() return shares() == "0:8" end)
    end)

    it("keeps the last weights when the service talks nonsense", function()
      local body = '{ "a": 7, "b": 7.5 }'
      local service = play.answering(function() return body end)
      lb = example.start("weights_from_http", { play.hello "a", play.hello "b", [9] = service }, QUICK)
      lb:event("backend_weight", { backend = "a" })
      body = "oh"
      lb:event("script", { message = "the old weights stay: no JSON object" })
      assert.equal(0, #lb:events("backend_weight", { backend = "b" }))
      local count = 0
      for _ = 1, 8 do count = count + (said "/" == "a" and 1 or 0) end
      assert.equal(7, count)
    end)
  end)

  describe("tenants", function()
    it("sends each tenant to its plan's backends, and names it in X-Tenant", function()
      local function tells(plan)
        return play.answering(function(request) return plan .. " " .. table.concat(request:values "X-Tenant", "+") end)
      end
      lb = example.start("tenants", { tells "business", tells "free" })
      assert.equal("business acme", said("/", { host = "acme.example.com", fields = "X-Tenant: hooli\r\n" }))
      assert.equal("free hooli", said("/", { host = "Hooli.example.com" }))
      assert.equal("acme", lb:exchange().explain.tenant)
    end)

    it("bounds each tenant by its plan, and knows no others", function()
      lb = example.start("tenants", { nil, play.hello "free" }, { change = { ["rate = 2,"] = "rate = 0.001," } })
      for _ = 1, 5 do assert.equal("free", said("/", { host = "hooli.example.com" })) end
      assert.equal(429, said("/", { host = "hooli.example.com" }))
      assert.equal(404, said("/", { host = "other.example.com" }))
      assert.equal(404, said("/", { host = "example.com" }))
      assert.equal(503, said("/", { host = "acme.example.com" }))
    end)
  end)

  describe("micro_cache", function()
    local LONG = { change = { ["KEEP, PAGES = 1"] = "KEEP, PAGES = 600" } }

    it("asks once for a page, also when many want it at the same time", function()
      local gate = holding "page"
      lb = example.start("micro_cache", { gate.backend(), gate.backend() }, LONG)
      local clients = {}
      for i = 1, 4 do clients[i] = asks "/a" end
      gate.has(1)
      gate.let_go()
      for i = 1, 4 do assert.equal("page", clients[i]:response().body) end
      assert.equal("page", said "/a")
      assert.equal(1, #gate.held)
    end)

    it("lets another ask when the first client leaves", function()
      local gate = holding "page"
      lb = example.start("micro_cache", { gate.backend(), gate.backend() }, LONG)
      local first = asks "/a"
      gate.has(1)
      local second = asks "/a"
      first:close()
      gate.has(2)
      gate.let_go()
      assert.equal("page", second:response().body)
    end)

    it("keeps nothing that is somebody's own", function()
      local asked = {}
      local function backend()
        return play.answering(function(request)
          asked[#asked + 1] = request.method .. " " .. request.target
          local own = request.target == "/own" and "Set-Cookie: a=1\r\n" or nil
          return "for " .. (request:field "Cookie" or "all"), nil, own
        end)
      end
      lb = example.start("micro_cache", { backend(), backend() }, LONG)
      assert.same({ "for all", "for all" }, { said "/", said "/" })
      assert.equal("for me", said("/", { fields = "Cookie: me\r\n" }))
      assert.equal("a=1", lb:fetch("/own"):field "Set-Cookie")
      assert.equal("a=1", lb:fetch("/own"):field "Set-Cookie")
      assert.equal("for all", said("/", { method = "POST", body = "x" }))
      -- The first /own was in vain.
      local all = { "GET /", "GET /", "GET /own", "GET /own", "GET /own", "POST /" }
      assert.same(all, asked)
    end)
  end)

  describe("response_headers", function()
    it("adds and takes away fields of every answer", function()
      lb = example.start("response_headers", { play.answering(function()
        return "", "404 Not Found", "Server: old/1.0\r\nX-Powered-By: x\r\nSet-Cookie: a=1; secure\r\n"
      end) })
      local response = lb:fetch "/account/%2e/x"
      assert.is_nil(response:field "Server" or response:field "X-Powered-By")
      assert.equal("nosniff", response:field "X-Content-Type-Options")
      assert.equal("default-src 'self'", response:field "Content-Security-Policy")
      assert.equal("no-store", response:field "Cache-Control")
      assert.same({ "a=1; secure; HttpOnly" }, response:values "Set-Cookie")
      assert.is_nil(lb:fetch("/accounts"):field "Cache-Control")
    end)

    it("leaves a policy of the backend's own, and gives lb's own answers a field", function()
      local backend = play.answering(function() return "", nil, "Content-Security-Policy: default-src *\r\n" end)
      lb = example.start("response_headers", { backend })
      assert.same({ "default-src *" }, lb:fetch("/"):values "Content-Security-Policy")
      backend:stop()
      local response = lb:fetch "/"
      assert.same({ 503, "nosniff" }, { response.status, response:field "X-Content-Type-Options" })
    end)
  end)
end)
