-- Backends that are put over the admin listener.
local admin = require "spec.support.admin"
local play = require "spec.support.play"

describe("backends that are put", function()
  after_each(play.curtain)

  local function start()
    return admin.balancer { settings = [[backends = "admin", health = { interval = 0.1 } ]] }
  end

  it("serve, and /ready says no until there are some", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = start()
    local status, body = admin.told(lb, "/ready")
    assert.equal(503, status)
    assert.same({ "a source has not said which backends there are" }, body.why)
    assert.equal(503, lb:fetch("/").status)
    assert.equal(202, (admin.ask(lb, "PUT", "/backends", ('["%s", { "address": "%s", "name": "two" }]')
      :format(one.address, two.address))))
    admin.ready(lb)
    lb:up "two"
    play.wait("answers of both", function()
      return lb:fetch("/").body .. lb:fetch("/").body == "12"
    end)
    local _, _, page = admin.get(lb, "/metrics")
    assert.truthy(page.body:find('lb_discovery_backends{source="admin",state="listed"} 2', 1, true))
  end)

  it("are refused with the place if they are none", function()
    local lb = start()
    local status, body = admin.ask(lb, "PUT", "/backends", '["127.0.0.1:1", 7]')
    assert.equal(400, status)
    assert.equal("entry 2: expected an address or an object", body.error)
  end)

  it("are refused where the script has no such source", function()
    local lb = admin.balancer { settings = [[backends = "127.0.0.1:1"]] }
    play.wait("its monitor", function() return #lb:events "backend_down" > 0 end)
    assert.equal(409, (admin.ask(lb, "PUT", "/backends", "[]")))
  end)

  it("serve at the next start, from the file of --state", function()
    local one = play.hello "1"
    local options = { settings = [[backends = "admin", health = { interval = 0.1 } ]],
      args = { "--state", play.directory() .. "/state" } }
    local lb = admin.balancer(options)
    assert.equal(202, (admin.ask(lb, "PUT", "/backends", ('[{ "address": "%s", "tags": { "a": "b\\"c" } }]')
      :format(one.address))))
    lb:up(one)
    lb:stop()
    options.settings = [[backends = "admin", health = { interval = 0.1 } ]]
    lb = admin.balancer(options)
    admin.ready(lb)
    assert.equal("1", lb:fetch("/").body)
    local _, body = admin.get(lb, "/ready")
    assert.is_true(body.stale_s > 0)
    _, body = admin.get(lb, "/backends")
    assert.same({ "admin", "b\"c" }, { body.backends[1].source, body.backends[1].tags.a })
  end)
end)
