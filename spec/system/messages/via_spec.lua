-- Via (RFC 9110, 7.6.3): added in both directions, unless the setting or the script says no.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\nVia: 1.0 outer\r\n%s\r\n"
local UPGRADE = "Connection: upgrade\r\nUpgrade: foo\r\n"
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"
local HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
local OK = "HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\nContent-Length: 2\r\n\r\nok"

local function choosing(options)
  return ("return { choose = function(ctx, backends) return backends[1], %s end }"):format(options)
end

describe("Via", function()
  after_each(play.curtain)

  local function start(options)
    local requests = {}
    options.backends = { play.backend(function(conn)
      while true do
        local request = conn:request()
        requests[#requests + 1] = request
        conn:send(HINTS .. (request:field "upgrade" and SWITCH or OK))
        if request:field "upgrade" then return conn:close() end
      end
    end) }
    return play.balancer(options), requests
  end

  -- What the backend saw of it, then the client: in a 103, a 200, another 103, and a 101.
  local function seen(options)
    local lb, requests = start(options)
    local client = play.client(lb)
    client:send(GET:format("/", ""))
    local responses = { client:response(), client:response() }
    client:send(GET:format("/", UPGRADE))
    responses[3], responses[4] = client:response(), client:response()
    local all = { table.concat(requests[1]:values "via", ", ") }
    for i, status in ipairs { 103, 200, 103, 101 } do
      assert.equal(status, responses[i].status)
      all[#all + 1] = table.concat(responses[i]:values "via", ", ")
    end
    return all
  end

  it("is added to what is there", function()
    assert.same({ "1.0 outer, 1.1 lb", "1.1 lb", "1.0 inner, 1.1 lb", "1.1 lb", "1.1 lb" }, seen {})
  end)

  it("is as it came with via = false", function()
    assert.same({ "1.0 outer", "", "1.0 inner", "", "" }, seen { settings = "via = false," })
  end)

  it("is nowhere in a request with request_headers = { Via = false }", function()
    assert.same({ "", "1.1 lb", "1.0 inner, 1.1 lb", "1.1 lb", "1.1 lb" },
      seen { script = choosing "{ request_headers = { Via = false } }" })
  end)

  it("is nowhere in a response with response_headers = { Via = false }", function()
    assert.same({ "1.0 outer, 1.1 lb", "", "", "", "" },
      seen { script = choosing "{ response_headers = { via = false } }" })
  end)

  it("is not needed to see that a request may be forwarded no more", function()
    local lb, requests = start { settings = "via = false," }
    local client = play.client(lb)
    client:send "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n"
    assert.equal(200, client:response().status)
    assert.equal(0, #requests)
  end)

  it("says nothing else than lb does: a script that tries gets an error with the way out", function()
    local lb = play.balancer {
      backends = { play.hello "hello" }, script = choosing '{ request_headers = { via = "1.1 other" } }',
    }
    assert.equal("hello", lb:fetch("/").body)
    local message = lb:event("policy_error").message
    assert.truthy(message:find("with 'via', which is set by lb itself (Via = false leaves it out)", 1, true), message)
  end)
end)
