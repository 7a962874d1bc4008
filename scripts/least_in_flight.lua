-- Sends each request to the backend with the least work in flight for its weight.
-- Suits requests of uneven cost. Keeps no state of its own.
local function load(backend) return backend.in_flight / backend.weight end

return {
  listen   = os.getenv "LISTEN" or "0.0.0.0:3030",
  backends = os.getenv "BACKENDS" or "127.0.0.1:9001, 127.0.0.1:9002",

  choose = function(ctx, backends)
    return backends:min(load)          -- ties rotate, so an idle pool shares the work
  end,
}
