local request = require "spec.support.request"
local script = require "spec.support.script"

describe("hello", function()
  local function answer(env) return script.load("scripts/hello.lua", { env = env }).choose(request {}, {}) end

  it("answers every request with its name", function()
    local given = answer { NAME = "backend 1" }
    assert.equal("respond", given.kind)
    assert.equal(200, given.status)
    assert.equal("backend 1\n", given.body)
    assert.equal("text/plain", given.headers["Content-Type"])
  end)

  it("has a name of its own", function()
    assert.equal("hello\n", answer({}).body)
  end)

  it("listens where the environment says", function()
    assert.equal("0.0.0.0:8080", script.load("scripts/hello.lua").listen)
    assert.equal("127.0.0.1:1", script.load("scripts/hello.lua", { env = { LISTEN = "127.0.0.1:1" } }).listen)
  end)
end)
