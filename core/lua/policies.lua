-- policies - lb.policy: each is a choose, to be used as it is or in one.
--
-- They ask the list and the backends what any script could ask them.
local inside = ...

local C, policies = inside.ffi.C, inside.policies

inside.ffi.cdef "double random_unit(void);"

-- Idle ones take turns, whatever their weights.
local function load_of(backend) return backend.in_flight / backend.effective_weight end

function policies.least_in_flight(_, backends) return backends:min(load_of) end

local LEAST_MS = 0.1 -- below, a difference says nothing; and a backend that looks like 0 ms is not taken for ever

local function cost_of(backend)
  return (backend.ewma_ms + LEAST_MS) * (backend.in_flight + 1) / backend.effective_weight
end

function policies.p2c_ewma(_, backends)
  local one, other = backends:sample(2)
  if other and cost_of(other) < cost_of(one) then return other end
  return one
end

function policies.ring_hash(ctx, backends, key)
  if key == nil then key = ctx.client end
  return backends:ring(key)
end

function policies.random(_, backends)
  local sum = 0
  for i = 1, #backends do sum = sum + backends[i].effective_weight end
  local left = C.random_unit() * sum
  for i = 1, #backends - 1 do
    left = left - backends[i].effective_weight
    if left < 0 then return backends[i] end
  end
  return backends[#backends]
end
