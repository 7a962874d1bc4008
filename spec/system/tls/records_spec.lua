-- Who makes the records of TLS 1.3: lb, or OpenSSL, if a setting or a test at the start says so.
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local CLIENTS = 200

describe("the records of TLS 1.3", function()
  local library = os.tmpname()
  local KEYLESS = {
    LD_PRELOAD = library, ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }

  setup(function()
    local command = ("%s -std=c11 -O1 -Wall -Wextra -Werror -fPIC -shared -o %s spec/support/keyless.c"):format(
      os.getenv "CC" or "gcc", library)
    local status = os.execute(command)
    assert(status == 0 or status == true, command)
  end)

  teardown(function() os.remove(library) end)

  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local function start(records, options)
    options = options or {}
    options.backends, options.listen = { play.hello "hello" }, false
    options.script = ("return { health = { interval = 0.2, timeout = 5 }, %s %s }"):format(
      "listen = { { '127.0.0.1:0', tls = true } },",
      certificates.settings({ certificates.new { names = { "a.test" } } }, ("records = '%s'"):format(records)))
    return play.balancer(options)
  end

  local function asks(client)
    client:send(GET)
    return client:response().body
  end

  -- What an idle connection adds to the memory of lb, in bytes.
  local function idle_bytes(lb)
    local kept = {}
    for i = 1, 20 do kept[i] = tls.client(lb, { version = "1.3" }) end
    for i = 1, 20 do asks(kept[i]) end
    local before = play.memory(lb)
    for i = 1, CLIENTS do
      local client = tls.client(lb, { version = "1.3" })
      asks(client)
      kept[20 + i] = client
    end
    return (play.memory(lb) - before) * 1024 / CLIENTS
  end

  -- The sanitizers keep what is freed, and lock nothing, so that there less can be said.
  local is_sanitized = (os.getenv "LB" or ""):find "asan"
  local own_most = is_sanitized and math.huge or 5000

  it("take a third of the memory, or less, if lb makes them", function()
    assert.is_true(idle_bytes(start "openssl") > 12000)
    assert.is_true(idle_bytes(start "own") < own_most)
  end)

  it("are those of OpenSSL if it reports no keys", function()
    local said = play.lb({ "version" }, { env = KEYLESS })
    assert.is_truthy(said.out:find("records of TLS 1.3: OpenSSL's (OpenSSL does not report its keys)", 1, true))
    local lb = start("own", { env = KEYLESS })
    assert.equal("OpenSSL does not report its keys", lb:event "tls_records".why)
    assert.equal("hello", asks(tls.client(lb, { version = "1.3" })))
  end)

  it("are those of OpenSSL, which a log of text says in a sentence", function()
    local lb = start("own", { env = KEYLESS, format = "text" })
    local line = "OpenSSL makes the records of TLS 1.3, which lb tried to make: OpenSSL does not report its keys"
    play.wait("the warning", function() return table.concat(lb.process.err, "\n"):find(line, 1, true) end)
    assert.equal("hello", asks(tls.client(lb, { version = "1.3" })))
  end)

  -- Of all of its processes: mappings of 32 KiB that no dump has, and that are locked.
  local function secret_mappings(lb)
    local found = 0
    for _, pid in ipairs(lb:children()) do
      local file = assert(io.open(("/proc/%d/smaps"):format(pid)))
      for flags in file:read "*a":gmatch "\nSize: +32 kB.-VmFlags:([^\n]*)" do
        if flags:find " dd" and (is_sanitized or flags:find " lo") then found = found + 1 end
      end
      file:close()
    end
    return found
  end

  it("have keys that are locked in the memory of the worker, and in no core dump", function()
    for _, records in ipairs { "own", "openssl" } do
      local lb = start(records)
      local before = is_sanitized and 0 or secret_mappings(lb) -- a fork inherits no lock
      local client = tls.client(lb, { version = "1.3" })
      assert.equal("hello", asks(client))
      assert.equal(records == "own", secret_mappings(lb) > before)
    end
  end)

  it("are lb's if nothing speaks against them", function()
    assert.is_truthy(play.lb({ "version" }).out:find("records of TLS 1.3: own\n", 1, true))
  end)

  for _, records in ipairs { "own", "openssl" } do
    it("may be asked for in the settings: " .. records, function()
      local lb = start(records)
      for _, version in ipairs { "1.2", "1.3" } do
        local client = tls.client(lb, { version = version })
        for _ = 1, 3 do assert.equal("hello", asks(client)) end
      end
      assert.equal(0, #lb:events "tls_records")
    end)
  end
end)
