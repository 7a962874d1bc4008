local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("sticky cookie", function()
  local policy, backends
  before_each(function()
    policy = script.load("scripts/sticky_cookie.lua", { env = { STICKY_SECRET = "s3cret" } })
    backends = pool { "a", "b", "c" }
  end)

  local function first()
    local one, given = policy.choose(request {}, backends)
    return one, given.response_headers["Set-Cookie"]
  end

  local function with(cookie, list)
    return policy.choose(request { headers = { Cookie = cookie:match "^[^;]+" } }, list or backends)
  end

  it("gives a new browser a cookie", function()
    local _, cookie = first()
    assert.truthy(cookie:find("^lb_backend=%x+; Path=/; HttpOnly"))
  end)

  it("keeps a browser where it is", function()
    for _ = 1, 3 do
      local one, cookie = first()
      for _ = 1, 5 do
        local again, given = with(cookie)
        assert.equal(one, again)
        assert.is_nil(given.response_headers)
      end
    end
  end)

  it("gives another backend and a new cookie when that one is gone", function()
    local one, cookie = first()
    local other, given = with(cookie, backends:without(one.name))
    assert.not_equal(one, other)
    assert.truthy(given.response_headers["Set-Cookie"])
  end)

  it("follows no cookie that was made up", function()
    local seen = {}
    for _, forged in ipairs { "a", "b", "127.0.0.1:9001", ("0"):rep(64), "" } do
      local one, given = with("lb_backend=" .. forged)
      seen[one.name] = true
      assert.truthy(given.response_headers, forged .. " was taken")
    end
    assert.same({ a = true, b = true, c = true }, seen)
  end)

  it("follows no cookie that another secret has signed", function()
    local _, cookie = first()
    policy = script.load("scripts/sticky_cookie.lua", { env = { STICKY_SECRET = "another" } })
    local _, given = with(cookie)
    assert.truthy(given.response_headers)
  end)

  it("gives no cookie that shows the backend's address", function()
    local one, cookie = first()
    assert.is_nil(cookie:find(one.address, 1, true))
  end)

  it("does not start without a secret", function()
    assert.error_matches(script.load("scripts/sticky_cookie.lua").init, "STICKY_SECRET")
  end)

  it("chooses nobody if nobody is up", function()
    assert.is_nil((policy.choose(request {}, pool {})))
  end)
end)
