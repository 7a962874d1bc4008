-- make records: lb's own records of TLS 1.3 under load, with two kinds of clients.
--
--   luajit infra/records.lua [NAME=VALUE...]
--     LB         the program (build/lb)
--     CLIENTS    the folder with the clients (build/records)
--     ORIGIN     the backend (build/bench/origin)
--     REQUESTS   of each kind of client (5000000)
--     SEED       1
--     RECORDS    "own" or "openssl", who makes them
--
-- The clients are infra/records/client.c, with OpenSSL and with GnuTLS, and each suite of TLS 1.3
-- gets a third. They look at every byte; a tag that is wrong on either side ends a client, or its
-- connection. Everything is on loopback and ends by itself, with PASS or FAIL for each figure and
-- in the exit status.
local uv = require "luv"
local certificates = require "spec.support.certificates"
local json = require "dkjson"
local loop = require "spec.support.loop"
local process = require "spec.support.process"

local SUITES = { "aes128", "aes256", "chacha" }
local LIBRARIES = { "openssl", "gnutls" }
local settings = {
  LB = "build/lb", CLIENTS = "build/records", ORIGIN = "build/bench/origin", REQUESTS = "5000000", SEED = "1",
  RECORDS = "own",
}
for _, argument in ipairs(arg) do
  local name, value = argument:match "^(%u+)=(.+)$"
  if not settings[name] then
    io.stderr:write("records: unknown setting '", argument, "'\n")
    os.exit(2)
  end
  settings[name] = value
end
local each = math.ceil(tonumber(settings.REQUESTS) / #SUITES)
-- The sanitizers keep what is freed.
local GROWTH_MAX_KIB = settings.LB:find("asan", 1, true) and math.huge or 4096
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  io.stdout:flush()
  if not ok then failed = true end
end

local function start_origin()
  local origin = process.start { "setpriv", "--pdeathsig", "KILL", settings.ORIGIN, "1" }
  loop.wait("the origin to listen", function() return origin.exit or origin.out[1] end)
  return assert(origin.out[1]:match "^listening (%S+)$", "no origin")
end

local function start_lb(backend)
  local script = ("return { backends = { %q }, listen = { { '127.0.0.1:0', tls = true } }, %s }"):format(backend,
    certificates.settings({ certificates.new { names = { "a.test" } } }, ("records = %q"):format(settings.RECORDS)))
  local lb = process.start {
    "sh", "-c", 'exec setpriv --pdeathsig KILL "$@" >/dev/null', "sh", settings.LB,
    process.file("records.lua", script), "--workers", "1", "--log-format", "json",
  }
  lb.events = {}
  lb:on_line(function(_, line) table.insert(lb.events, json.decode(line) or { event = line }) end)
  loop.wait("lb to listen", function()
    for _, event in ipairs(lb.events) do
      if event.event == "listening" then lb.address = event.address end
    end
    return lb.address or lb.exit
  end)
  assert(lb.address, "lb ended instead of listening")
  return lb
end

local function resident_kib(pid)
  for line in io.lines(("/proc/%d/status"):format(pid)) do
    local kib = line:match "^VmRSS:%s+(%d+)"
    if kib then return tonumber(kib) end
  end
end

local function run(lb, library, suite, requests)
  local began = uv.hrtime()
  local client = process.start {
    "setpriv", "--pdeathsig", "KILL", settings.CLIENTS .. "/" .. library, lb.address, suite, ("%d"):format(requests),
    settings.SEED,
  }
  loop.wait("the client to end", function() return client.exit end, 24 * 3600)
  local said = client.out[1] or table.concat(client.err, " ")
  local is_right = client.exit.code == 0 and client.exit.signal == 0
  say(is_right, "%s, %s: %s, in %.0f s", library, suite, said, (uv.hrtime() - began) / 1e9)
  return is_right and tonumber(said:match "requests=(%d+)") or 0
end

local lb = start_lb(start_origin())
local workers = process.children(lb.pid)
local totals, warm = {}, nil
for _, library in ipairs(LIBRARIES) do
  totals[library] = 0
  for _, suite in ipairs(SUITES) do
    if not warm then
      run(lb, library, suite, 1000)
      warm = {}
      for _, pid in ipairs(workers) do warm[pid] = resident_kib(pid) end
    end
    totals[library] = totals[library] + run(lb, library, suite, each)
  end
end
for _, pid in ipairs(workers) do
  local is, was = uv.kill(pid, 0) == 0 and resident_kib(pid), warm[pid]
  say(is and is - was < GROWTH_MAX_KIB, "process %d of lb lives, %s KiB, %d when it was warm", pid, is or "gone", was)
end
for _, event in ipairs(lb.events) do
  if event.event == "tls_records" or tostring(event.event):find "died" then say(false, "%s", json.encode(event)) end
end
lb:signal "sigterm"
local ended = lb:wait_exit(20)
say(ended.code == 0 and ended.signal == 0, "lb ended with status %d, signal %d", ended.code, ended.signal)
process.clear()
say(totals.openssl >= tonumber(settings.REQUESTS) and totals.gnutls >= tonumber(settings.REQUESTS),
  "records by %s: %d requests of OpenSSL, %d of GnuTLS were answered right", settings.RECORDS, totals.openssl,
  totals.gnutls)
os.exit(failed and 1 or 0)
