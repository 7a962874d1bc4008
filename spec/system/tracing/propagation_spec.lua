-- What backends hear of the trace that a request belongs to: another span with each try.
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local GIVEN = "00-" .. TRACE .. "-" .. SPAN .. "-01"
local PARENT = "traceparent: " .. GIVEN .. "\r\n"
local TRUSTED = "trusted_proxies = '127.0.0.1',"
local QUICK = "health = { interval = 0.2, timeout = 5 },"

-- No spans: nobody listens there.
local function tracing(more)
  return ("tracing = { to = 'http://127.0.0.1:1/v1/traces', always = {}, %s }, %s"):format(more or "part = 0", QUICK)
end

local function balancer(settings, backends) return play.balancer { settings = settings, backends = backends } end

local function parts(value)
  local version, trace, span, flags = (value or ""):match "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)$"
  assert.same({ "00", 32, 16 }, { version, #(trace or ""), #(span or "") }, value)
  return trace, span, flags
end

-- What the backend of one request has got, as its fields.
local function forwarded(settings, fields)
  local backend = play.hello "x"
  local lb = balancer(settings, { backend })
  assert.equal(200, lb:fetch("/", { fields = fields }).status)
  return backend.requests[1], lb:exchange()
end

describe("a backend", function()
  after_each(play.curtain)

  it("gets a new trace, whose id the log has", function()
    local request, line = forwarded(tracing())
    local trace, span, flags = parts(request:field "traceparent")
    assert.equal(line.trace, trace)
    assert.equal(line.id, trace:sub(17))
    assert.not_equal(("0"):rep(16), span)
    assert.equal("02", flags)
    assert.equal(1, #request:values "traceparent")
  end)

  it("hears that a trace is sampled if part says so", function()
    assert.equal("03", select(3, parts(forwarded(tracing "part = 1"):field "traceparent")))
  end)

  it("gets as many sampled traces as part says, nearly", function()
    local backend, sampled = play.hello "x", 0
    local lb = balancer(tracing "part = 0.5", { backend })
    local client = play.client(lb)
    for _ = 1, 400 do
      client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      client:response()
    end
    for _, request in ipairs(backend.requests) do
      if request:field("traceparent"):find "3$" then sampled = sampled + 1 end
    end
    assert.is_true(sampled > 120 and sampled < 280, sampled) -- 8 standard deviations
  end)

  it("gets what a client sends as it came, without the setting", function()
    local request, line = forwarded(QUICK, PARENT .. PARENT .. "tracestate: a=1\r\n")
    assert.same({ GIVEN, GIVEN }, request:values "traceparent")
    assert.equal("a=1", request:field "tracestate")
    assert.is_nil(line.trace)
  end)

  it("gets the trace of a proxy that is trusted, and another span", function()
    for _, trust in ipairs { "'trusted_proxies'", "'all'" } do
      local request, line = forwarded(TRUSTED .. tracing("trust = " .. trust),
        PARENT .. "tracestate: a=1,b=2\r\nTraceState: c=3\r\n")
      local trace, span, flags = parts(request:field "traceparent")
      assert.same({ TRACE, TRACE, "01" }, { trace, line.trace, flags })
      assert.not_equal(SPAN, span)
      assert.equal(1, #request:values "traceparent")
      assert.same({ "a=1,b=2", "c=3" }, request:values "tracestate")
      play.curtain()
    end
  end)

  it("hears the caller's decision, whatever part says", function()
    for part, flags in pairs { [0] = "01", [1] = "00" } do
      local request = forwarded(TRUSTED .. tracing("part = " .. part), (PARENT:gsub("01\r", flags .. "\r")))
      assert.equal(flags, select(3, parts(request:field "traceparent")))
      play.curtain()
    end
  end)

  it("gets nothing of the trace of somebody whom trust does not name", function()
    for _, settings in ipairs { tracing(), TRUSTED .. tracing "trust = 'none'" } do
      local request = forwarded(settings, PARENT .. "tracestate: a=1\r\n")
      assert.not_equal(TRACE, (parts(request:field "traceparent")))
      assert.is_nil(request:field "tracestate")
      play.curtain()
    end
  end)

  it("gets nothing of what is malformed", function()
    for _, value in ipairs { "", "00-" .. TRACE .. "-" .. SPAN, GIVEN .. "-01", "ff" .. GIVEN:sub(3), GIVEN:upper() } do
      local request = forwarded(tracing "trust = 'all'", ("traceparent: %s\r\ntracestate: a=1\r\n"):format(value))
      assert.not_equal(TRACE, (parts(request:field "traceparent")), value)
      assert.equal(1, #request:values "traceparent")
      assert.is_nil(request:field "tracestate")
      play.curtain()
    end
  end)

  it("gets the trace, but no tracestate that is longer than 512 bytes", function()
    local request = forwarded(tracing "trust = 'all'", PARENT .. ("tracestate: a=%s\r\n"):format(("x"):rep(511)))
    assert.equal(TRACE, (parts(request:field "traceparent")))
    assert.is_nil(request:field "tracestate")
  end)

  it("gets another span with each try", function()
    local seen = {}
    local function note(conn, answer)
      local request = conn:request()
      seen[#seen + 1] = request:field "traceparent"
      if answer then conn:send(play.text "x") end
    end
    local broken = play.backend(function(conn) note(conn) end)
    local well = play.backend(function(conn) note(conn, true) end)
    local lb = balancer(tracing "trust = 'all'" .. "choose = function(ctx, backends) return backends[1] end,",
      { broken, well })
    lb:up(broken)
    lb:up(well)
    assert.equal(200, lb:fetch("/", { fields = PARENT }).status)
    assert.is_true(#seen >= 2)
    local spans = {}
    for _, value in ipairs(seen) do
      local trace, span = parts(value)
      assert.equal(TRACE, trace)
      assert.is_nil(spans[span])
      spans[span] = true
    end
  end)

  it("hears that a retry is kept, if the settings say so", function()
    local seen = {}
    local function play_one(conn, answer)
      seen[#seen + 1] = select(3, parts(conn:request():field "traceparent"))
      if answer then conn:send(play.text "x") end
    end
    local broken = play.backend(function(conn) play_one(conn) end)
    local well = play.backend(function(conn) play_one(conn, true) end)
    local lb = balancer("tracing = { to = 'http://127.0.0.1:1/v1/traces', always = 'retried', part = 0 }," .. QUICK
      .. "choose = function(ctx, backends) return backends[1] end,", { broken, well })
    lb:up(broken)
    lb:up(well)
    assert.equal(200, lb:fetch("/").status)
    assert.same({ "02", "03" }, { seen[1], seen[#seen] })
  end)

  it("gets what the script sets in their place, or nothing", function()
    local request, line = forwarded(tracing() .. [[choose = function(ctx, backends)
      return backends[1], { request_headers = { traceparent = "mine", tracestate = "a=1" } }
    end,]], PARENT)
    assert.same({ "mine" }, request:values "traceparent")
    assert.equal("a=1", request:field "tracestate")
    assert.equal(32, #line.trace)
    play.curtain()
    request = forwarded(tracing() .. [[choose = function(ctx, backends)
      return backends[1], { request_headers = { TraceParent = false } }
    end,]], PARENT)
    assert.is_nil(request:field "traceparent")
  end)

  it("gets what a script sees as ctx.trace_id, also in the line of what lb answers itself", function()
    local request, line = forwarded(tracing() .. [[choose = function(ctx, backends)
      return backends[1], { request_headers = { ["X-Trace"] = ctx.trace_id } }
    end,]])
    assert.equal(line.trace, request:field "x-trace")
    play.curtain()
    local lb = balancer(tracing() .. "choose = function(ctx) return ctx:respond { body = ctx.trace_id } end,",
      { play.hello "x" })
    assert.equal(lb:fetch("/").body, lb:exchange().trace)
    play.curtain()
    lb = balancer(QUICK .. "choose = function(ctx) return ctx:respond { body = tostring(ctx.trace_id) } end,",
      { play.hello "x" })
    assert.equal("nil", lb:fetch("/").body)
  end)

  it("gets a span for a gRPC call", function()
    local request, line = forwarded(tracing "trust = 'all'",
      PARENT .. "Content-Type: application/grpc\r\nTE: trailers\r\n")
    assert.equal(TRACE, (parts(request:field "traceparent")))
    assert.equal(TRACE, line.trace)
  end)
end)

describe("over HTTP/2", function()
  after_each(h2_lb.clear)

  it("a trace goes from client to backend, with another span", function()
    local seen = {}
    local backend = h2.backend(function(s)
      s:whole()
      seen[#seen + 1] = h2.field(s.of.fields, "traceparent")
      s:answer "x"
    end)
    local lb = h2_lb.start { backends = { h2_backends.of(backend) }, settings = tracing "trust = 'all'" }
    local client = h2_lb.client(lb)
    assert.equal("x", client:fetch("/", { fields = { { "traceparent", GIVEN } } }).body)
    local trace, span, flags = parts(seen[1])
    assert.same({ TRACE, "01" }, { trace, flags })
    assert.not_equal(SPAN, span)
    assert.equal(TRACE, lb:exchange().trace)
  end)
end)
