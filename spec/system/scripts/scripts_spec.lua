-- Every ready script in a running lb: by its file, and by require from another folder. spec/policy
-- has what it promises in detail; here is what only lb itself can show.
local json = require "dkjson"
local play = require "spec.support.play"

local QUICK = "health = { interval = 0.2, timeout = 5 }"
local ENV = { STICKY_SECRET = "s3cret" }

-- What the clients of these specs, which have no TLS, get where it is not the backend's answer.
local STATUS = { https_redirect = 308 }

local scripts = {}
for path in io.popen("ls scripts/*.lua"):lines() do
  if not path:find "%.d%.lua$" then scripts[path] = path:match "([^/]+)%.lua$" end
end

-- Backends as a script writes them, the text in front of each.
local function listed(origins, facts)
  local list = {}
  for i, one in ipairs(origins) do
    list[i] = ("{ address = %q, %s }"):format(one.address, facts and facts[i] or "")
  end
  return table.concat(list, ", ")
end

-- A script that requires that one, and says more.
local function taken(name, more)
  return ("return require %q { %s, %s }"):format(name, QUICK, more or "")
end

describe("the scripts", function()
  after_each(play.curtain)

  local function hellos(count)
    local list = {}
    for i = 1, count do list[i] = play.hello("backend " .. i) end
    return list
  end

  local function start(options)
    options.env = ENV
    options.backends = options.backends or {}
    return play.balancer(options)
  end

  local function nothing_failed(lb)
    local failed = lb:events "policy_error"
    assert.equal(0, #failed, json.encode(failed))
  end

  -- What the bodies were, and how often.
  local function counts(lb, requests, fields)
    local count = {}
    for i = 1, requests do
      local response = lb:fetch("/" .. i, { fields = type(fields) == "function" and fields(i) or fields })
      local key = response.status == 200 and response.body or response.status
      count[key] = (count[key] or 0) + 1
    end
    return count
  end

  for path, name in pairs(scripts) do
    local function serves(options)
      local backends = name ~= "hello" and hellos(3) or {}
      options.backends = backends
      local lb = start(options)
      local status = STATUS[name] or 200
      for i = 1, 9 do assert.equal(status, lb:fetch("/" .. i).status) end
      assert.equal(status, lb:fetch("/", { method = "POST", body = "x" }).status)
      lb:exchange(nil, 10)
      nothing_failed(lb)
    end

    it("serve: " .. name .. ", by its file", function() serves { file = path } end)

    it("serve: " .. name .. ", by require from another folder", function() serves { script = taken(name) } end)

    it("go round a backend that is gone: " .. name, function()
      if name == "hello" or STATUS[name] then return end
      local backends = hellos(2)
      local lb = start { script = taken(name), backends = backends }
      backends[1]:stop()
      for i = 1, 6 do assert.equal("backend 2", lb:fetch("/" .. i).body) end
      nothing_failed(lb)
    end)
  end

  it("spread the work by weight, exactly over all workers: weighted_round_robin", function()
    local list = listed(hellos(3), { "weight = 5", "weight = 1", "weight = 1" })
    local lb = start { script = taken("weighted_round_robin", "backends = { " .. list .. " }"), workers = 4 }
    assert.same({ ["backend 1"] = 50, ["backend 2"] = 10, ["backend 3"] = 10 }, counts(lb, 70))
    nothing_failed(lb)
  end)

  it("send an idle pool's requests to all backends in turn: least_in_flight", function()
    local lb = start { script = taken "least_in_flight", backends = hellos(3), workers = 2 }
    assert.same({ ["backend 1"] = 10, ["backend 2"] = 10, ["backend 3"] = 10 }, counts(lb, 30))
  end)

  it("keep a browser at its backend: sticky_cookie", function()
    local lb = start { script = taken "sticky_cookie", backends = hellos(3), workers = 2 }
    local first = lb:fetch "/"
    local cookie = "Cookie: " .. first:field("Set-Cookie"):match "^[^;]+" .. "\r\n"
    assert.same({ [first.body] = 10 }, counts(lb, 10, cookie))
    assert.is_nil(lb:fetch("/", { fields = cookie }):field "Set-Cookie")
    local forged = cookie:gsub("=%x", function(digit) return digit == "=0" and "=1" or "=0" end)
    assert.truthy(lb:fetch("/", { fields = forged }):field "Set-Cookie")
    nothing_failed(lb)
  end)

  it("does not start without a secret: sticky_cookie", function()
    local file = play.file("sticky.lua", "return require 'sticky_cookie' { backends = '127.0.0.1:9' }")
    local said = play.lb { file, "--listen", "127.0.0.1:0" }
    assert.not_equal(0, said.code)
    assert.truthy((said.out .. said.err):find("STICKY_SECRET", 1, true), said.err)
  end)

  it("give some users the new version, and always the same: canary", function()
    local list = listed(hellos(3), { "tags = { canary = 'yes' }" })
    local lb = start { script = taken("canary", "percent = 40, backends = { " .. list .. " }"), workers = 2 }
    local function user(i) return "Cookie: session=" .. i .. "\r\n" end
    local new = 0
    for i = 1, 30 do
      local one = lb:fetch("/", { fields = user(i) }).body == "backend 1"
      for _ = 1, 2 do assert.equal(one, lb:fetch("/", { fields = user(i) }).body == "backend 1") end
      if one then new = new + 1 end
    end
    assert.is_true(new > 2 and new < 25, new .. " of 30")
    nothing_failed(lb)
  end)

  it("put a backend out that fails: circuit_breaker", function()
    local ill = play.answering(function() return "oh", "500 Internal Server Error" end)
    local script = taken("circuit_breaker", "requests = 5")
    local lb = start { script = script, backends = { ill, play.hello "well", play.hello "well" } }
    counts(lb, 30)
    lb:event("backend_ejected", { backend = ill.address })
    assert.same({ well = 10 }, counts(lb, 10))
    nothing_failed(lb)
  end)

  it("refuse who asks too often, over all workers: rate_limit", function()
    local lb = start { script = taken("rate_limit", "rate = 0.01, burst = 5"), backends = hellos(1), workers = 4 }
    assert.same({ ["backend 1"] = 5, [429] = 15 }, counts(lb, 20))
    local refused = lb:fetch "/"
    assert.is_true(tonumber(refused:field "Retry-After") > 50)
    lb:exchange { status = 429, why = "rate_limit" }
    nothing_failed(lb)
  end)

  it("ask another backend after a 503: retry_5xx", function()
    local starting = play.answering(function() return "starting", "503 Service Unavailable" end)
    local lb = start { script = taken "retry_5xx", backends = { starting, play.hello "ready" } }
    assert.same({ ready = 6 }, counts(lb, 6))
    local statuses = {}
    for _ = 1, 2 do statuses[lb:fetch("/", { method = "POST", body = "x" }).status] = true end
    assert.same({ [200] = true, [503] = true }, statuses)
    nothing_failed(lb)
  end)

  it("pass the last 503 on: retry_5xx", function()
    local function starting() return "starting", "503 Service Unavailable" end
    local lb = start { script = taken "retry_5xx", backends = { play.answering(starting), play.answering(starting) } }
    local response = lb:fetch "/"
    assert.equal(503, response.status)
    nothing_failed(lb)
  end)

  it("send plain HTTP to https, and tell others to stay there: https_redirect", function()
    local lb = start {
      script = taken("https_redirect", "trusted_proxies = '127.0.0.1', max_age = 60"), backends = hellos(1),
    }
    local plain = lb:fetch("/a?b=c", { host = "shop.example" })
    assert.same({ 308, "https://shop.example/a?b=c" }, { plain.status, plain:field "Location" })
    assert.is_nil(plain:field "Strict-Transport-Security")
    local secure = lb:fetch("/a", { fields = "X-Forwarded-Proto: https\r\n" })
    assert.same({ "backend 1", "max-age=60" }, { secure.body, secure:field "Strict-Transport-Security" })
    nothing_failed(lb)
  end)

  it("answer challenges as certbot does: acme_challenge", function()
    local certbot = play.answering(function() return "token.thumbprint" end)
    local script = taken("acme_challenge", ("address = %q"):format(certbot.address))
    local lb = start { script = script, backends = hellos(1) }
    assert.equal("token.thumbprint", lb:fetch("/.well-known/acme-challenge/token").body)
    assert.equal("backend 1", lb:fetch("/.well-known/other").body)
    certbot:stop()
    assert.equal(404, lb:fetch("/.well-known/acme-challenge/token").status)
    nothing_failed(lb)
  end)

  it("give each tenant its quota, over all workers: tenant_quota", function()
    local script = taken("tenant_quota", "quotas = { acme = 6 }, others = 2, seconds = 600")
    local lb = start { script = script, backends = hellos(1), workers = 4 }
    assert.same({ ["backend 1"] = 6, [429] = 4 }, counts(lb, 10, "X-Tenant: acme\r\n"))
    assert.same({ ["backend 1"] = 2, [429] = 4 }, counts(lb, 6, function(i) return "X-Tenant: t" .. i .. "\r\n" end))
    nothing_failed(lb)
  end)

  describe("by consistent_hash", function()
    -- Answers with the homes of 10,000 keys, without sending them anywhere.
    local ALL_HOMES = [[
      local key
      local inner = require "consistent_hash" { key = function() return key end }
      return {
        health = { interval = 0.1, timeout = 5, rise = 1, fall = 1 }, script = { budget_ms = 20000 },
        choose = function(ctx, backends)
          local homes = {}
          for i = 1, 10000 do
            key = "key " .. i
            homes[i] = inner.choose(ctx, backends).name
          end
          return ctx:respond { body = table.concat(homes, " ") }
        end,
      }]]

    local function homes(lb)
      local list = {}
      for name in lb:fetch("/").body:gmatch "%S+" do list[#list + 1] = name end
      assert.equal(10000, #list)
      return list
    end

    it("move only the keys of a backend that leaves, and all of them back", function()
      local backends = hellos(10)
      local lb = start { script = ALL_HOMES, backends = backends }
      local before = homes(lb)
      local gone = backends[4]
      gone:refuse()
      lb:down(gone)
      local meanwhile, moved = homes(lb), 0
      for i = 1, 10000 do
        if before[i] == gone.address then
          moved = moved + 1
          assert.not_equal(gone.address, meanwhile[i])
        else
          assert.equal(before[i], meanwhile[i])
        end
      end
      assert.is_true(moved > 800 and moved <= 1200, moved .. " of 10000 keys moved")
      gone:start()
      lb:up(gone)
      assert.same(before, homes(lb))
      nothing_failed(lb)
    end)

    it("send a client to the same backend from every worker", function()
      local lb = start { script = taken "consistent_hash", backends = hellos(5), workers = 4 }
      local _, times = next(counts(lb, 20))
      assert.equal(20, times)
    end)
  end)
end)
