-- Backends from a file that changes while lb runs.
local json = require "dkjson"
local play = require "spec.support.play"

local SETTINGS = [[
  backends = %s,
  health = { interval = 0.1, timeout = 2, fall = 1 },
  discovery = { %s },
  choose = function(ctx, backends)
    seen = (seen or 0) + 1
    if #backends == 0 then return nil, "none" end
    return backends[seen %% #backends + 1]
  end,
]]

-- Atomic, as those do it that know how.
local function save(list, name)
  name = name or "list.json"
  local text = type(list) == "string" and list or json.encode(list)
  local path = play.file(name .. ".new", text)
  assert(os.rename(path, (path:gsub("%.new$", ""))))
end

local function addresses(...)
  local list = {}
  for i, backend in ipairs { ... } do list[i] = backend.address end
  return list
end

local function start(list, options)
  options = options or {}
  save(list)
  return play.balancer {
    settings = SETTINGS:format(options.backends or '"file:list.json"', options.discovery or ""),
    workers = options.workers or 1,
  }
end

local function bodies(lb, count)
  local seen = {}
  for _ = 1, count do
    local response = lb:fetch "/"
    seen[response.status == 200 and response.body or response.status] = true
  end
  local names = {}
  for name in pairs(seen) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return table.concat(names, " ")
end

local function until_bodies(lb, wanted)
  play.wait("answers of " .. wanted, function() return bodies(lb, 6) == wanted end)
end

describe("backends from a file", function()
  after_each(play.curtain)

  it("come and go without a reload", function()
    local one, two, three = play.hello "1", play.hello "2", play.hello "3"
    local lb = start(addresses(one, two))
    assert.equal("1 2", bodies(lb, 6))
    save(addresses(two, three))
    until_bodies(lb, "2 3")
    assert.equal(0, #lb:events "reload")
    local event = lb:event("discovery_list", { added = 1 })
    assert.same({ 2, 1 }, { event.backends, event.removed })
  end)

  it("are together with those of the script, which come first", function()
    local one, two, three = play.hello "1", play.hello "2", play.hello "3"
    local lb = start(addresses(two, one), { backends = ('{ "file:list.json", "%s" }'):format(one.address) })
    assert.equal("1 2", bodies(lb, 6))
    assert.equal(one.address, lb:event("discovery_twice").backend)
    save(addresses(three))
    until_bodies(lb, "1 3")
  end)

  it("get no request before their first check", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = start(addresses(one))
    two:stop()
    save(addresses(one, two))
    lb:down(two)
    for _ = 1, 6 do assert.equal("1", lb:fetch("/").body) end
    assert.equal(0, #lb:exchanges { backend = two.address })
    two:start()
    until_bodies(lb, "1 2")
  end)

  it("stay if the list is garbage or empty, with an event that says why", function()
    local one = play.hello "1"
    local lb = start(addresses(one))
    save '[ "127.0.0.1:80", "10.0.0.300:80" ]'
    assert.truthy(lb:event("discovery_failed").reason:find("entry 2: address '10.0.0.300:80'", 1, true))
    save '[ "127.0.0.1:80"'
    save "[]"
    lb:event "discovery_kept"
    save '[ "169.254.169.254:80" ]'
    lb:event("discovery_failed", nil, 2)
    assert.equal("1", bodies(lb, 4))
    save(addresses(one, play.hello "2"))
    until_bodies(lb, "1 2")
    lb:event "discovery_back"
  end)

  it("stay over one fault after the other, and each has its event", function()
    local lb = start(addresses(play.hello "1"))
    local faults = { "7", '{"address":"127.0.0.1:80","nam":"x"}', '"127.0.0.1"', '"169.254.169.254:80"' }
    for i, fault in ipairs(faults) do
      save("[" .. fault .. "]")
      lb:event("discovery_failed", nil, i)
    end
    assert.equal(0, #lb:events "discovery_back")
    assert.equal("1", bodies(lb, 4))
  end)

  it("that a list leaves out, more than half, are held until their check fails", function()
    local one, two, three = play.hello "1", play.hello "2", play.hello "3"
    local lb = start(addresses(one, two, three))
    save(addresses(one))
    local event = lb:event "discovery_held"
    assert.equal(2, event.held)
    assert.truthy(event.message:find("for 10 s at most", 1, true), event.message)
    assert.equal("1 2 3", bodies(lb, 9))
    two:stop()
    lb:event("discovery_list", { removed = 1 })
    assert.equal("1 3", bodies(lb, 9))
  end)

  it("end the requests that they have when they leave", function()
    local gate, asked
    local slow = play.backend(function(conn)
      conn:request()
      if not asked then
        asked = true
        play.wait("the gate", function() return gate end)
      end
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"
    end)
    local other = play.hello "other"
    local lb = start(addresses(slow))
    local client = play.client(lb)
    client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return asked end)
    save(addresses(other))
    lb:up(other)
    lb:event("discovery_held") -- the only one is more than half
    save(addresses(other))
    lb:event("discovery_list", { added = 0, removed = 1 })
    until_bodies(lb, "other")
    gate = true
    assert.equal("slow", client:response().body)
  end)

  it("are cut off from the requests that take longer than discovery.drain", function()
    local gate, asked
    local hung = play.backend(function(conn)
      conn:request()
      asked = true
      play.wait("the gate", function() return gate end)
    end)
    local other = play.hello "other"
    local lb = start(addresses(hung), { discovery = "drain = 0.2, max_drop = 1" })
    local client = play.client(lb)
    client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return asked end)
    save(addresses(other))
    assert.equal(503, client:response().status)
    assert.equal("discovery.drain", lb:exchange({ status = 503 }).note)
    gate = true
  end)

  it("drain if the list says so, and are there still", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = start { one.address, { address = two.address, draining = true } }
    assert.equal("1", bodies(lb, 6))
    save { one.address, { address = two.address, weight = 2 } }
    until_bodies(lb, "1 2")
    save { one.address, { address = two.address, weight = 0 } }
    until_bodies(lb, "1")
  end)

  it("outlive their worker and the monitor, and a reload", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = start(addresses(one, two), { workers = 2 })
    lb.may_lose_workers = true
    for _, pid in ipairs(lb:children()) do require("luv").kill(pid, "sigkill") end
    lb:event("worker_died", nil, 2)
    until_bodies(lb, "1 2")
    lb:signal "sighup"
    lb:event "reload"
    assert.equal("1 2", bodies(lb, 6))
  end)

  it("are looked at by lb check", function()
    save '[ "127.0.0.1:0" ]'
    local path = play.file("checked.lua", 'return { backends = "file:list.json" }\n')
    local result = play.lb { "check", path }
    assert.equal(1, result.code)
    assert.truthy(result.err:find("list.json: entry 1: address '127.0.0.1:0'", 1, true), result.err)
    save '[ "127.0.0.1:1" ]'
    result = play.lb { "check", path }
    assert.equal(0, result.code)
    assert.truthy(result.out:find('"file:list.json"', 1, true))
  end)

  it("follow a script that has another source", function()
    local one, two = play.hello "1", play.hello "2"
    save(addresses(two), "other.json")
    local lb = start(addresses(one))
    assert.equal("1", bodies(lb, 4))
    play.file("balancer.lua", ("return {\n%s\n}\n"):format(SETTINGS:format('"file:other.json"', "")))
    lb:signal "sighup"
    lb:event "reload"
    for _ = 1, 4 do assert.equal("2", lb:fetch("/").body) end
  end)

  it("are checked by the script, which hears of them", function()
    local one, two = play.hello "1", play.hello "2"
    save(addresses(one))
    local lb = play.balancer { settings = [[
      backends = "file:list.json",
      discovery = { max_drop = 1 },
      health = { interval = 0.05, check = function(backend) return backend.tags.sick == nil end },
      on_health = function(backend, up) lb.log.info(backend.name .. " is " .. tostring(up)) end,
    ]] }
    assert.equal("1", bodies(lb, 3))
    save { one.address, { address = two.address, name = "two", tags = { sick = "yes" } } }
    lb:down "two"
    save { one.address, { address = two.address, name = "two" } }
    until_bodies(lb, "1 2")
    lb:event("script", { message = "two is true" })
    for _ = 1, 5 do
      save { one.address }
      until_bodies(lb, "1")
      save { one.address, { address = two.address, name = "two" } }
      until_bodies(lb, "1 2")
    end
  end)

  it("that leave while choose awaits are no fault of the script that chooses them", function()
    local one, two = play.hello "1", play.hello "2"
    save(addresses(one, two))
    local lb = play.balancer { settings = [[
      backends = "file:list.json",
      health = { interval = 0.1 },
      discovery = { max_drop = 1 },
      choose = function(ctx, backends)
        local last = backends[#backends]
        if ctx.path == "/wait" then
          lb.log.info "waits"
          while not lb.get "go" do lb.sleep(0.01) end
        elseif ctx.path == "/go" then
          lb.set("go", true)
        end
        return last
      end,
    ]] }
    local client = play.client(lb)
    client:send "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
    lb:event("script", { message = "waits" })
    save(addresses(one))
    play.wait("the first alone", function() return lb:fetch("/").body == "1" end)
    play.pause(0.3) -- its place is given back then; if it is not, the answer is the same
    lb:fetch "/go"
    assert.equal("1", client:response().body)
    assert.equal(0, #lb:events "policy_error")
  end)

  it("lose no request while the list changes again and again", function()
    local all = {}
    for i = 1, 4 do all[i] = play.hello(tostring(i)) end
    local lb = start(addresses(all[1], all[2]), { workers = 2 })
    local sent, is_over = 0, false
    for _ = 1, 3 do
      play.beside(function()
        local client = play.client(lb)
        while not is_over do
          client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
          assert.equal(200, client:response().status)
          sent = sent + 1
        end
      end)
    end
    for i = 1, 60 do
      local before = #lb:events "discovery_list"
      save(addresses(all[i % 4 + 1], all[(i + 1) % 4 + 1]))
      play.wait("the next list", function() return #lb:events "discovery_list" > before end)
    end
    is_over = true
    assert.is_true(sent > 60)
    for _, exchange in ipairs(lb:exchanges()) do assert.equal(200, exchange.status) end
  end)
end)
