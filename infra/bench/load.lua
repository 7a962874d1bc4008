-- load - what one round sends to one contestant, and what came of it.
--
--   load.run(scenario, address)    { requests =, seconds =, p50 =, p99 = ms, problems = { text, .. } }
--   load.check(scenario, address)  one request with curl: the bytes of a whole response, or nil and what is wrong

local process = require "spec.support.process"
local contestants = require "infra.bench.contestants"

local load = {}

local WRK = "infra/bench/wrk.lua"
local BODY_BYTES = { ["/100"] = 100, ["/10k"] = 10240, ["/1m"] = 1048576 }

local function command(words, cores)
  local spec = contestants.pinned(cores, words)
  spec.seconds = 60
  return process.run(spec)
end

function load.check(scenario, address)
  local words = {
    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_header} %{size_download}", "--max-time", "10",
    "-A", "", "-H", "Accept:", "http://" .. address .. scenario.path,
  }
  if scenario.post then
    local body = process.file("body", ("p"):rep(scenario.post))
    for _, word in ipairs { "--data-binary", "@" .. body, "-H", "Expect:" } do table.insert(words, word) end
  end
  if scenario.closing then for _, word in ipairs { "-H", "Connection: close" } do table.insert(words, word) end end
  local said = command(words)
  local status, head, body = said.out:match "^(%d+) (%d+) (%d+)$"
  if said.code ~= 0 or status ~= "200" then
    return nil, ("curl got status %s, and ended with %d"):format(status or "none", said.code)
  end
  if tonumber(body) ~= BODY_BYTES[scenario.path] then return nil, "a body of " .. body .. " bytes" end
  return head + body
end

-- wrk's threads end in the middle of what they do: of each connection one response may be unfinished.
local function wrong_length(scenario, counts, response_bytes)
  local least, most = counts.requests * response_bytes, (counts.requests + scenario.connections) * response_bytes
  if counts.bytes >= least and counts.bytes <= most then return nil end
  return ("%d bytes of %d responses, not %d to %d"):format(counts.bytes, counts.requests, least, most)
end

local function closed_loop(scenario, address, cores, response_bytes)
  local said = command({
    "wrk", "-t", "1", "-c", scenario.connections, "-d", "1s", "-s", WRK, "http://" .. address .. scenario.path,
    "--", scenario.post or 0, scenario.closing and "close" or "keep-alive",
  }, cores)
  local line = said.out:match "bench (requests=[^\n]*)"
  if not line then error("wrk failed: " .. said.out .. said.err, 0) end
  local counts, problems = {}, {}
  for name, count in line:gmatch "(%w+)=(%d+)" do counts[name] = tonumber(count) end
  for _, name in ipairs { "status", "connect", "read", "write", "timeout" } do
    if counts[name] > 0 then table.insert(problems, ("%d %s errors"):format(counts[name], name)) end
  end
  table.insert(problems, wrong_length(scenario, counts, response_bytes))
  return {
    requests = counts.requests, seconds = counts.us / 1e6, p50 = counts.p50 / 1e3, p99 = counts.p99 / 1e3,
    problems = problems,
  }
end

function load.run(scenario, address, cores, response_bytes)
  return closed_loop(scenario, address, cores, response_bytes)
end

return load
