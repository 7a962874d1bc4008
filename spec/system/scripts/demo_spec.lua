-- lb demo, from its start to its end.
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"

describe("lb demo", function()
  after_each(play.curtain)

  local function said(demo)
    return table.concat(demo.out, "\n") .. "\n" .. table.concat(demo.err, "\n")
  end

  it("runs two backends and a balancer, starts again what was stopped, and ends all of them on Ctrl-C", function()
    local demo = play.start(play.command { "demo", "--listen", "127.0.0.1:0" })
    local address = play.wait("the curl line", function() return said(demo):match "curl [^\n]-(127%.0%.0%.1:%d+)" end)
    play.wait("its processes", function() return #play.children(demo.pid) >= 3 end)
    local function curl() return tonumber(play.fetch(address).body:match "backend (%d)") end
    assert.same({ 1, 2, 1, 2 }, { curl(), curl(), curl(), curl() })

    local pid = play.wait("a pid to stop", function() return said(demo):match "kill [^\n]-(%d+)" end)
    assert.equal(0, play.run { "kill", pid }.code)
    play.wait("it to be gone", function() return not play.exists(tonumber(pid)) end)
    local seen = { curl(), curl(), curl(), curl() }
    for _, number in ipairs(seen) do assert.equal(seen[4], number) end

    play.wait("the demo to know", function() return said(demo):find("has stopped", 1, true) end)
    demo:signal "sigusr1"
    play.wait("answers of the one that was stopped", function() return curl() == 3 - seen[4] end)

    local children = play.children(demo.pid)
    demo:signal "sigint"
    assert.same({ code = 0, signal = 0 }, demo:wait_exit())
    for _, child in ipairs(children) do assert.falsy(play.exists(child)) end
  end)

  it("shows https:// and -k for a listener with TLS, whose certificate curl may not trust", function()
    local pair = certificates.new { names = { "a.test" } }
    local script = "return { listen = { { '127.0.0.1:0', tls = true } }, " .. certificates.settings { pair } .. " }"
    local demo = play.start(play.command { "demo", play.file("balancer.lua", script) })
    local words = play.wait("the curl line", function() return said(demo):match "curl ([^\n]-)/  " end)
    assert.truthy(words:find "^%-k https://127%.0%.0%.1:%d+$", words)
    demo:signal "sigint"
    assert.equal(0, demo:wait_exit().code)
  end)
end)
