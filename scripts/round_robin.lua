-- Sends requests to the backends in turn: 1, 2, .., n, 1, .. over all workers.
-- Suits requests of about the same cost and backends of about the same strength.
local turn = lb.counter "turn"

return {
  listen   = os.getenv "LISTEN" or "0.0.0.0:3030",
  backends = os.getenv "BACKENDS" or "127.0.0.1:9001, 127.0.0.1:9002",

  choose = function(ctx, backends)
    return backends[turn:next(#backends)]
  end,
}
