-- Another program in the place of this one: what the admin listener tells and what was set stay.
local admin = require "spec.support.admin"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

describe("an upgrade", function()
  after_each(play.curtain)

  it("keeps the admin listener, and what a person has set", function()
    local backend = play.hello "x"
    local lb, put = admin.balancer({
      admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" } }',
      settings = ("backends = { { name = 'a', address = %q }, { name = 'b', address = %q } }")
        :format(backend.address, backend.address),
    }, upgrading.start)
    lb:event("backend_up", { backend = "a" })
    lb:event("backend_up", { backend = "b" })
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/drain", { why = "deploy" })))
    assert.equal(200, (admin.ask(lb, "POST", "/backends/b/weight", { weight = 7 })))
    for _ = 1, 2 do
      assert.equal("upgrade", put.upgrade().event)
      local _, a = admin.get(lb, "/backends/a")
      assert.same({ "draining", "deploy" }, { a.state, a.changes[1].why })
      local _, b = admin.get(lb, "/backends/b")
      assert.same({ 7, "admin" }, { b.weight.now, b.weight.set_by })
      assert.equal(lb.pid, select(2, admin.get(lb, "/state")).pid)
      assert.equal(200, (admin.get(lb, "/live", { over = admin.tcp(lb, #lb:events "upgrade" + 1) })))
    end
    assert.equal(0, #lb:events "admin_died")
  end)
end)
