-- load - what one round sends to one contestant, and what came of it.
--
--   load.check(scenario, url)             one request with curl: the bytes of a response, or nil
--                                         and what is wrong
--   load.run(scenario, url, bytes)        a second of the scenario: { requests =, seconds =, p50 =,
--                                         p99 = ms, problems = { text, .. } };
--                                         bytes: of a whole response
--   load.send(count, scenario, url)       so many requests, as fast as possible; nil, or a problem
--   load.hold(count, scenario, url)       so many connections by shake: its process, or nil and why

local loop = require "spec.support.loop"
local process = require "spec.support.process"
local contestants = require "infra.bench.contestants"

local load = {}

local WRK = "infra/bench/wrk.lua"
local BODY_BYTES = { ["/100"] = 100, ["/10k"] = 10240, ["/1m"] = 1048576, ["/bench.Calls/Call"] = 100 }
local MESSAGE = "\0\0\0\0\32" .. ("m"):rep(32)
local GRPC = { "-H", "content-type: application/grpc", "-H", "te: trailers" }

-- TLS 1.3 with AES-128-GCM for wrk and curl, which have no option for it: the contestants prefer
-- different ciphers.
local OPENSSL = [[
openssl_conf = all
[all]
ssl_conf = contexts
[contexts]
system_default = every
[every]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
]]

local function command(words)
  local spec = contestants.of_load(words)
  spec.seconds = 60
  spec.env = { OPENSSL_CONF = process.file("openssl.cnf", OPENSSL) }
  return process.run(spec)
end

local function append(words, more)
  for _, word in ipairs(more) do table.insert(words, word) end
end

local function curl_version(scenario, url)
  if not scenario.streams then return "--http1.1" end
  return url:find "^https:" and "--http2" or "--http2-prior-knowledge"
end

function load.check(scenario, url)
  local words = {
    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_header} %{size_download}", "--max-time", "10",
    curl_version(scenario, url), "-k",
    "-A", "", "-H", "Accept:", url .. scenario.path, -- as the load does
  }
  if scenario.grpc then
    append(words, GRPC)
    append(words, { "--data-binary", "@" .. process.file("message", MESSAGE) })
  end
  if scenario.post then
    local body = process.file("posted", ("p"):rep(scenario.post))
    append(words, { "--data-binary", "@" .. body, "-H", "Expect:" })
  end
  if scenario.closing then append(words, { "-H", "Connection: close" }) end
  local said = command(words)
  local status, head, body = said.out:match "^(%d+) (%d+) (%d+)$"
  if said.code ~= 0 or status ~= "200" then
    return nil, ("curl got status %s, and ended with %d"):format(status or "none", said.code)
  end
  if tonumber(body) ~= BODY_BYTES[scenario.path] then return nil, "a body of " .. body .. " bytes" end
  return head + body
end

-- wrk ends in the middle of what it does: of each connection one response may be unfinished.
local function wrong_length(scenario, counts, response_bytes)
  local least, most = counts.requests * response_bytes, (counts.requests + scenario.connections) * response_bytes
  if counts.bytes >= least and counts.bytes <= most then return nil end
  return ("%d bytes of %d responses, not %d to %d"):format(counts.bytes, counts.requests, least, most)
end

local function closed_loop(scenario, url, response_bytes)
  local said = command {
    "wrk", "-t", "1", "-c", scenario.connections, "-d", "1s", "--timeout", "10s", "-s", WRK,
    url .. scenario.path, "--", scenario.post or 0, scenario.closing and "close" or "keep-alive",
  }
  local line = said.out:match "bench (requests=[^\n]*)"
  if not line then return { requests = 0, seconds = 1, problems = { "wrk: " .. said.out .. said.err } } end
  local counts, problems = {}, {}
  for name, count in line:gmatch "(%w+)=(%d+)" do counts[name] = tonumber(count) end
  for _, name in ipairs { "status", "connect", "read", "write", "timeout" } do
    if counts[name] > 0 then table.insert(problems, ("%d %s errors"):format(counts[name], name)) end
  end
  if counts.requests == 0 then table.insert(problems, "no answer at all") end
  table.insert(problems, wrong_length(scenario, counts, response_bytes))
  return {
    requests = counts.requests, seconds = counts.us / 1e6, p50 = counts.p50 / 1e3, p99 = counts.p99 / 1e3,
    problems = problems,
  }
end

-- What h2load says of the number of answers; every one has to be 2xx.
local function h2load(count, scenario, url, extra)
  local words = { "h2load", "--h1", "-t", "1", "-n", count, "-c", scenario.connections }
  append(words, extra or {})
  table.insert(words, url .. scenario.path)
  local said = command(words)
  local good = tonumber(said.out:match "(%d+) 2xx")
  if good == count then return said end
  return said, ("%d of %d answers were 2xx"):format(good or 0, count)
end

function load.send(count, scenario, url) return select(2, h2load(count, scenario, url)) end

local function percentiles(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = tonumber(line:match "(%d+)%s*$") / 1e3 end
  table.sort(list)
  return list[math.ceil(#list * 0.5)] or 0, list[math.ceil(#list * 0.99)] or 0
end

-- Each connection has a rate of its own; they start one after the other, so that their
-- requests are spread evenly.
local function open_loop(scenario, url)
  local log = process.directory() .. "/h2load.log"
  os.remove(log)
  local each = scenario.rate / scenario.connections
  local said, problem = h2load(scenario.rate, scenario, url, {
    "--rps=" .. each, "-r", math.ceil(scenario.rate / 1000), "--rate-period=1ms", "--log-file=" .. log,
  })
  local figure, unit = said.out:match "finished in ([%d.]+)(m?s)"
  local seconds = tonumber(figure) / (unit == "ms" and 1e3 or 1)
  local p50, p99 = percentiles(log)
  return { requests = scenario.rate, seconds = seconds, p50 = p50, p99 = p99, problems = { problem } }
end

-- Over HTTP/2 for a second. Bodies that were on their way at the end count in part.
local function multiplexed(scenario, url)
  local words = { "h2load", "-t", 1, "-D", 1, "-c", scenario.connections, "-m", scenario.streams }
  if scenario.grpc then
    append(words, GRPC)
    append(words, { "-d", process.file("message", MESSAGE) })
  end
  append(words, { "--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519", url .. scenario.path })
  local said = command(words)
  local done, failed = said.out:match "requests: .-(%d+) done.-(%d+) failed"
  local good, bytes = said.out:match "(%d+) 2xx", said.out:match "headers.-%((%d+)%) data"
  if not bytes then return { requests = 0, seconds = 1, problems = { "h2load: " .. said.out .. said.err } } end
  done, failed, good, bytes = tonumber(done), tonumber(failed), tonumber(good), tonumber(bytes)
  local problems, each = {}, BODY_BYTES[scenario.path]
  local most = done + scenario.connections * scenario.streams -- have begun
  if done == 0 or failed > 0 or good < done or good > most then
    table.insert(problems, ("%d answers, %d of them 2xx, %d failed"):format(done, good, failed))
  elseif bytes < done * each or bytes > most * each then
    table.insert(problems, ("%d bytes of %d bodies of %d"):format(bytes, done, each))
  end
  return { requests = done, seconds = 1, problems = problems }
end

local function shake(how, scenario, url, number)
  return { contestants.tool "shake", how, url:match "//(.*)", scenario.path, tostring(number) }
end

-- Connections that are made one after the other.
local function handshakes(scenario, url)
  local said = command(shake(scenario.shakes, scenario, url, 1))
  local requests, us = said.out:match "requests=(%d+) us=(%d+)"
  local problem = (said.code ~= 0 or not us) and "shake: " .. said.out .. said.err or nil
  return { requests = tonumber(requests) or 0, seconds = (tonumber(us) or 1e6) / 1e6, problems = { problem } }
end

function load.hold(count, scenario, url)
  local holds = process.start(contestants.of_load(shake(scenario.holds, scenario, url, count)))
  loop.wait("connections to stand", function() return holds.exit or holds.out[1] end, 60)
  if not holds.exit then return holds end
  return nil, "shake: " .. table.concat(holds.err, " ")
end

function load.run(scenario, url, response_bytes)
  if scenario.shakes then return handshakes(scenario, url) end
  if scenario.rate then return open_loop(scenario, url) end
  if scenario.streams then return multiplexed(scenario, url) end
  return closed_loop(scenario, url, response_bytes)
end

return load
