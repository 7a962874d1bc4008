-- The units for systemd, as systemd sees them; and a start by its socket activation.
local play = require "spec.support.play"

local uv = require "luv"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- A copy of the units that names the program under test: they name the installed one.
local function units()
  local program = play.command({})[4]
  local service = play.file("lb.service", (read "infra/systemd/lb.service":gsub("/usr/bin/lb", program)))
  return service, play.file("lb.socket", read "infra/systemd/lb.socket")
end

local function free_address()
  local socket = uv.new_tcp()
  socket:bind("127.0.0.1", 0)
  local port = socket:getsockname().port
  socket:close()
  play.wait("it to be free", function() return socket:is_closing() end)
  return "127.0.0.1:" .. port
end

describe("the units for systemd", function()
  after_each(play.curtain)

  it("are without a complaint of systemd's", function()
    local service, socket = units()
    local result = play.run { "systemd-analyze", "verify", "--man=no", service, socket }
    assert.same({ 0, "", "" }, { result.code, result.out, result.err })
  end)

  it("leave little to an attacker who has taken lb", function()
    local result = play.run { "systemd-analyze", "--no-pager", "--offline=true", "security", (units()) }
    local exposure = tonumber(result.out:match "Overall exposure level for lb%.service: (%S+)")
    assert.truthy(exposure and exposure < 2.5, result.out .. result.err)
  end)
end)

describe("the socket unit", function()
  it("is for the address at which the script of the package listens", function()
    assert.equal(read "infra/systemd/lb.socket":match "\nListenStream=(%S+)",
      read "balancer.lua":match 'listen%s*= os.getenv "LISTEN" or "([^"]+)"')
  end)
end)

describe("systemd-socket-activate", function()
  after_each(play.curtain)

  -- It starts the program at the first connection, which is not lost.
  it("starts lb, which serves at its socket, and again when it has ended", function()
    local address = free_address()
    local script = play.file("some.lua",
      "return { choose = function(ctx) return ctx:respond { body = ctx.listener } end }")
    local command = play.command { script, "--listen", address, "--workers", "2", "--log-format", "text" }
    for _ = 1, 2 do
      local words = { "setpriv", "--pdeathsig", "KILL", "systemd-socket-activate", "-l", address }
      for i = 4, #command do words[#words + 1] = command[i] end
      local lb = play.start(words)
      play.wait("it to listen", function() return table.concat(lb.err, "\n"):find("Listening on", 1, true) end)
      for _ = 1, 5 do assert.equal(address, play.fetch(address).body) end
      play.wait("it to say so", function()
        return table.concat(lb.err, "\n"):find("listening on " .. address, 1, true)
      end)
      lb:signal "sigterm"
      assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    end
  end)
end)
