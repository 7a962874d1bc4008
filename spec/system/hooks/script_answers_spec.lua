-- What ctx:respond and ctx:reject may say besides a status.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

describe("an answer of a script", function()
  after_each(play.curtain)

  local function start(answer)
    return play.balancer {
      script = ("return { health = { interval = 60, timeout = 5 }, script = { park = 0 }, fallback = 'round_robin'," ..
        "\n" ..
        "choose = function(ctx, backends) return %s end }"):format(answer),
      backends = { play.hello "one" },
    }
  end

  it("says in the log why, with a body of its own", function()
    local lb = start "ctx:respond { status = 418, body = 'tea', why = 'no coffee' }"
    local response = lb:fetch "/"
    assert.equal(418, response.status)
    assert.equal("tea", response.body)
    assert.equal("no coffee", lb:exchange().why)
    asking.no_errors(lb)
  end)

  it("has headers, with the body of lb", function()
    local lb = start [[ctx:reject(401, { retry_after = 2.5, why = "who?", headers = {
      ["WWW-Authenticate"] = { 'Basic realm="a"', "Bearer" }, ["X-Left"] = 0 } })]]
    local response = lb:fetch "/"
    assert.equal(401, response.status)
    assert.equal('Basic realm="a", Bearer', table.concat(response:values "WWW-Authenticate", ", "))
    assert.equal("0", response:field "X-Left")
    assert.equal("3", response:field "Retry-After")
    assert.truthy(response.body:find("Unauthorized", 1, true), response.body)
    assert.equal("who?", lb:exchange().why)
    asking.no_errors(lb)
  end)

  for answer, message in pairs {
    ["ctx:reject(401, { headers = { ['Content-Type'] = 'text/html' } })"] = "the body is lb's own, and so is",
    ["ctx:reject(401, { headers = { ['Content-Length'] = 1 } })"] = "'Content-Length' is set by lb itself",
    ["ctx:reject(401, { headers = { ['X-A'] = 'a\\r\\nb' } })"] = "'X-A' has a line end or a NUL in it",
    ["ctx:reject(401, { headers = 'X-A' })"] = "headers is a table, not a string",
    ["ctx:reject(429, { retry_after = 1, headers = { ['retry-after'] = 2 } })"] = "Retry-After is given twice",
    ["ctx:respond { why = {} }"] = "why is a text, not a table",
  } do
    it("is refused, with its line: " .. answer, function()
      local lb = start("(" .. answer .. ")")
      assert.equal("one", lb:fetch("/").body)
      local failed = lb:event "policy_error"
      assert.truthy(failed.message:find("balancer.lua:2: ", 1, true), failed.message)
      assert.truthy(failed.message:find(message, 1, true), failed.message)
    end)
  end
end)
