-- policies - lb.policy: each is a choose, to be used as it is or in one.
--
-- They ask the list and the backends what any script could ask them.
local inside = ...

local C, policies, lists = inside.ffi.C, inside.policies, inside.list_methods
local turns = inside.turns
local source_of = turns.source_of
local floor, setmetatable = math.floor, setmetatable

inside.ffi.cdef [[
double random_unit(void);
uint32_t random_below(uint32_t n);
]]

-- Which part of its answers is good. A tenth at least, so that a backend that fails is tried again.
local LEAST_GOOD = 0.1

local function good_of(backend)
  local good = 1 - backend.error_rate
  return good > LEAST_GOOD and good or LEAST_GOOD
end

-- Failures come fast, so a backend that fails looks idle. With this request it would have that many
-- in flight; to get as many good answers it needs more. One is subtracted, so that idle backends
-- that seldom fail are alike.
local function load_of(backend)
  return (floor((backend.in_flight + 1) / good_of(backend)) - 1) / backend.effective_weight
end

function policies.least_in_flight(_, backends)
  local one = lists.min(backends, load_of)
  turns.named(turns.LEAST)
  return one
end

-- random ------------------------------------------------------------------------------------------

local function by_sum(backends, count)
  local sum, most = 0, 0
  for i = 1, count do
    local weight = backends[i].effective_weight
    sum, most = sum + weight, weight > most and weight or most
  end
  if sum == 0 then return backends[C.random_below(count) + 1], most end
  local left = C.random_unit() * sum
  for i = 1, count - 1 do
    left = left - backends[i].effective_weight
    if left < 0 then return backends[i], most end
  end
  return backends[count], most
end

local most_of = setmetatable({}, { __mode = "k" }) -- by list: the most that a weight in it has been
local DRAWS = 8

-- Draws until one is kept, which is as often as its weight says. So weights are read of few.
local function by_draws(backends, count)
  for _ = 1, DRAWS do
    local one = backends[C.random_below(count) + 1]
    local weight, most = one.effective_weight, most_of[backends]
    if weight > most then most_of[backends] = weight end
    if C.random_unit() * most <= weight then return one end
  end
  return (by_sum(backends, count))
end

local function draw(backends)
  local count = #backends
  if count < 2 then return backends[1] end
  if most_of[backends] then return (by_draws(backends, count)) end
  local one, most = by_sum(backends, count)
  if source_of[backends] then most_of[backends] = most end -- one of lb's own, which will come again
  return one
end

function policies.random(_, backends)
  turns.chosen_by(turns.RANDOM)
  return (draw(backends))
end

-- p2c_ewma ----------------------------------------------------------------------------------------

-- A smaller difference says little, and a backend that looks like 0 ms must not be taken for ever.
local LEAST_MS = 1
local FAR = 4      -- times less is far better

-- The time until a good answer, times the work that is there for its weight. As far as it fails,
-- which is fast, the other one's time counts.
local function cost_of(backend, other, more)
  local ms, others = backend.ewma_ms, backend.error_rate * other.ewma_ms
  local weight = backend.effective_weight
  return ((ms > others and ms or others) + LEAST_MS) / good_of(backend)
    * ((backend.in_flight + more) / weight + 2 / (weight + other.effective_weight))
end

-- A backend that was drawn twice is heavy, or one of few: it is taken, unless another one would be
-- far better even with this request.
local function unless_far(one, backends)
  local other, third = lists.sample(backends, 2)
  if other == one then other = third end
  if not other then
    turns.chosen_by(turns.P2C_EWMA)
    return one
  end
  local cost, others = cost_of(one, other, 0), cost_of(other, one, 1)
  if others * FAR < cost then
    turns.compared(turns.P2C_EWMA, other, others, one, cost)
    return other
  end
  turns.compared(turns.P2C_EWMA, one, cost, other, others)
  return one
end

-- Weights count in the draws. The costs decide by chance, too, or small differences would decide
-- all.
function policies.p2c_ewma(_, backends)
  local one, other = draw(backends), draw(backends)
  if one == other then return (unless_far(one, backends)) end
  local cost, others = cost_of(one, other, 0), cost_of(other, one, 0)
  local square = cost ^ 2
  if C.random_unit() * (square + others ^ 2) < square then
    turns.compared(turns.P2C_EWMA, other, others, one, cost)
    return other
  end
  turns.compared(turns.P2C_EWMA, one, cost, other, others)
  return one
end

function policies.ring_hash(ctx, backends, key)
  if key == nil then key = ctx.client end
  return (lists.ring(backends, key))
end
