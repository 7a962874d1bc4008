-- Sends requests to the backends in turn, to each as often as its weight says, and evenly mixed:
-- with weights 5, 1, 1 it is a a b a c a a. Exact over all workers; a new weight counts to a tenth.
-- Suits requests of about the same cost and backends that differ in strength.
local function tenths(backend) return math.max(1, math.floor(backend.effective_weight * 10 + 0.5)) end

-- As long as the sum of weights: each step goes to the one most behind its share (nginx's rule).
local function sequence_of(weights)
  local divisor, total, credit, sequence = 0, 0, {}, {}
  for i, weight in ipairs(weights) do
    total, credit[i] = total + weight, 0
    while weight > 0 do divisor, weight = weight, divisor % weight end
  end
  for step = 1, math.min(total / divisor, 10000) do
    local most = 1
    for i, weight in ipairs(weights) do
      credit[i] = credit[i] + weight
      if credit[i] > credit[most] then most = i end
    end
    credit[most], sequence[step] = credit[most] - total, most
  end
  return sequence
end

return lb.script({}, function(_, name)
  local turn = lb.counter(name)
  local kept = setmetatable({}, { __mode = "k" })      -- by list: its weights, and their sequence
  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      if ctx.attempts > 1 or #backends < 2 then return turn:next(ctx, backends) end
      local one = kept[backends] or {}
      if #one ~= #backends then one = {} end
      for i = 1, #backends do
        local weight = tenths(backends[i])
        if weight ~= one[i] then one[i], one.sequence = weight, nil end
      end
      kept[backends], one.sequence = one, one.sequence or sequence_of(one)
      return turn:next(ctx, backends, one.sequence)
    end,
  }
end)
