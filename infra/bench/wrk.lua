-- What wrk asks for and, at the end, one line with what came of it. wrk runs this script.
-- luacheck: globals wrk done
--
--   wrk -s wrk.lua URL -- BODY_BYTES CONNECTION     a POST if there is a body; CONNECTION "close"
--                                                   or "keep-alive"


function init(arguments) -- luacheck: globals init
  local body = tonumber(arguments[1])
  if body > 0 then wrk.method, wrk.body = "POST", ("p"):rep(body) end
  if arguments[2] == "close" then wrk.headers["Connection"] = "close" end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(("bench requests=%d bytes=%d us=%d p50=%d p99=%d status=%d connect=%d read=%d write=%d timeout=%d\n"):format(
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
