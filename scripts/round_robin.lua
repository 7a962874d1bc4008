-- Sends requests to the backends in turn: 1, 2, .., n, 1, .. over all workers. A second try goes to
-- the next one. Suits requests of about the same cost and backends of about the same strength.
local turn = lb.counter "turn"

return lb.script({}, function()
  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      return turn:next(ctx, backends)
    end,
  }
end)
