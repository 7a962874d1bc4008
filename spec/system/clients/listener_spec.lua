-- Where a request came in: ctx.listener.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local SAYS = [[return { health = { interval = 0.2, timeout = 5 }, workers = 2, %s
  listen = { "127.0.0.1:0", "localhost:0", "[::1]:0", ":0" },
  choose = function(ctx) return ctx:respond { body = ctx.listener } end }]]
local LISTENERS = { "127.0.0.1:0", "localhost:0", "[::1]:0", ":0" }

describe("ctx.listener", function()
  after_each(play.curtain)

  -- Where lb listens, when it does at so many addresses.
  local function addresses(lb, count)
    lb:event("listening", nil, count)
    local all = {}
    for i, event in ipairs(lb:events "listening") do all[i] = event.address:gsub("^%[::%]", "127.0.0.1") end
    return all
  end

  it("is the address at which the request came in, as listen has it, also after a reload", function()
    local lb, say = reloading.start(SAYS:format "", { listen = false, workers = false })
    for _ = 1, 2 do
      for i, address in ipairs(addresses(lb, #LISTENERS)) do
        local client = play.client(address)
        for _ = 1, 2 do
          client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
          assert.equal(LISTENERS[i], client:response().body)
        end
      end
      assert.equal("reload", say(SAYS:format "trace = true,").event)
    end
  end)

  it("lets an address have pages of its own", function()
    local lb = play.balancer { listen = false, script = [[
      local ADMIN = "localhost:0"
      return {
        listen = { "127.0.0.1:0", ADMIN }, backends = "127.0.0.1:1",
        choose = function(ctx)
          if ctx.listener == ADMIN then return ctx:respond { body = "admin" } end
          return ctx:respond { body = "public" }
        end,
      }]] }
    local public, admin = unpack(addresses(lb, 2))
    assert.equal("public", play.fetch(public).body)
    assert.equal("admin", play.fetch(admin).body)
  end)

  it("is there in on_done, too, and in what lb check tries", function()
    local lb = play.balancer { listen = false, script = [[return {
      listen = "127.0.0.1:0",
      choose = function(ctx) assert(ctx.listener == "127.0.0.1:0") return ctx:respond { body = "x" } end,
      on_done = function(ctx) lb.log.info(ctx.listener) end,
    }]] }
    lb:fetch "/"
    assert.equal("127.0.0.1:0", lb:event("script").message)
  end)
end)
