-- Who reads slowly, but reads, is waited for; who does not is blamed himself, and nobody else.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SIZE = 8 * 1024 * 1024

local function balancer(backend, timeouts)
  return play.balancer {
    backends = { backend },
    settings = ("health = { interval = 60, timeout = 5, eject_after = 1 }, timeouts = { %s }"):format(timeouts),
  }
end

local function counted(body) return play.text(body) end

local function in_chunks(body)
  local parts = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" }
  for from = 1, #body, 1024 do
    local piece = body:sub(from, from + 1023)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  parts[#parts + 1] = "0\r\n\r\n"
  return table.concat(parts)
end

local function sending(bytes)
  return play.backend(function(conn)
    conn:request()
    conn:send(bytes)
    conn:ended_by_peer()
  end)
end

local function assert_not_blamed(lb)
  assert.same({}, lb:events "backend_ejected")
  assert.same({}, lb:events "backend_down")
end

describe("a side that is slow", function()
  after_each(play.curtain)

  local body = ("0123456789abcde\n"):rep(SIZE / 16)

  for what, form in pairs { ["with a length"] = counted, ["in many small chunks"] = in_chunks } do
    it("but reads steadily gets a whole response " .. what .. ", longer than timeouts.response_body", function()
      local lb = balancer(sending(form(body)), "response_body = 1")
      local client = play.client(lb, { receive_buffer = 32768 })
      client:send(GET)
      client:sip(3)
      client:go_on()
      local response = client:response()
      assert.truthy(response.complete)
      assert.truthy(response.body == body)
      assert.equal("ok", lb:exchange({ status = 200 }).tries[1].outcome)
      assert_not_blamed(lb)
    end)

    it("and reads nothing of a response " .. what .. " is cut, and its backend is not blamed", function()
      local lb = balancer(sending(form(body)), "response_body = 0.5")
      local client = play.client(lb, { receive_buffer = 32768 })
      client:hold()
      client:send(GET)
      assert.equal("cancelled", lb:exchange().tries[1].outcome)
      assert_not_blamed(lb)
    end)

    it("for a moment only, after which it reads, gets all of a response " .. what, function()
      local lb = balancer(sending(form(body)), "response_body = 2")
      local client = play.client(lb, { receive_buffer = 32768 })
      client:send(GET)
      client:sip(0.7)
      play.pause(1)
      client:sip(0.7)
      play.pause(1)
      client:go_on()
      local response = client:response()
      assert.truthy(response.complete and response.body == body)
      assert_not_blamed(lb)
    end)
  end

  it("but takes a request steadily gets all of it, though that is longer than timeouts.response_head", function()
    local received
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      conn:sip(3)
      conn:go_on()
      received = conn:body_of(head).body
      conn:send(play.text "taken")
    end)
    local lb = balancer(backend, "response_head = 1, request_body = 1")
    local client = play.client(lb)
    client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", SIZE, "\r\n\r\n", body)
    local response = client:response()
    assert.equal(200, response.status)
    assert.equal("taken", response.body)
    assert.truthy(received == body)
    assert_not_blamed(lb)
  end)

  it("and takes no more of a request is given up after timeouts.response_head", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:hold()
      play.wait("the end of the spec", function() return false end)
    end)
    local lb = balancer(backend, "response_head = 0.5, request_body = 0.5")
    local client = play.client(lb)
    client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", SIZE, "\r\n\r\n", body)
    assert.equal(504, client:response().status)
    assert.equal("timeout", lb:exchange({ status = 504 }).tries[1].outcome)
  end)
end)

describe("a backend that answers before the request has gone out, and then falls silent,", function()
  after_each(play.curtain)

  local upload = ("u"):rep(SIZE)

  -- The head of its answer comes while much of the upload still waits for it.
  local function early(goes_on)
    local got = 0
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:hold()
      play.pause(0.2)
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"
      play.pause(0.2)
      if not goes_on then play.wait("the end of the spec", function() return false end) end
      conn:go_on()
      got = #conn:exactly(SIZE)
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, "response_body = 0.7, response_head = 600, request_body = 600")
    local client = play.client(lb)
    client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", SIZE, "\r\n\r\n", upload)
    local response = client:response()
    assert.equal(200, response.status)
    assert.equal("0123456789", response.body)
    assert.falsy(response.complete)
    assert.equal("timeout", lb:exchange().tries[1].outcome)
    return got
  end

  it("having read all of it, ends by timeouts.response_body", function()
    assert.equal(SIZE, early(true))
  end)

  it("and reads no more, ends by timeouts.response_body too", function() early(false) end)
end)

describe("a client that sends requests ahead and reads nothing", function()
  after_each(play.curtain)

  it("costs no more memory than a few, and gets all answers in order when it reads", function()
    local count, filler, answer = 1400, ("f"):rep(7000), ("a"):rep(8000)
    local backend = play.answering(function(request) return request.target .. answer end)
    local lb = balancer(backend, "response_body = 100")
    local client = play.client(lb, { receive_buffer = 32768 })
    local requests = {}
    for i = 1, count do
      requests[i] = ("GET /%d HTTP/1.1\r\nHost: x\r\nX-Filler: %s\r\n\r\n"):format(i, filler)
    end
    local before = play.memory(lb)
    client:hold()
    client:send(table.concat(requests))
    local served = play.until_still(function() return #backend.requests end)
    assert.truthy(served < count, served)
    assert.truthy(client.unsent > 0)
    local grown = play.memory(lb) - before
    -- A sanitizer keeps for a while what is freed: there, what is not read is all that tells.
    if not os.getenv "ASAN_OPTIONS" then assert.truthy(grown < 1024 * play.slow, grown) end
    client:go_on()
    for i, response in ipairs(client:responses(count)) do
      assert.truthy(response.complete and response.body == "/" .. i .. answer, i)
    end
    assert.equal(count, #backend.requests)
    assert_not_blamed(lb)
  end)
end)
