-- The pick of balancer.lua for HAProxy: one after the other.
local names, turn = { "one", "two" }, 0

core.register_fetches("pick", function() -- luacheck: globals core
  turn = turn % #names + 1
  return names[turn]
end)
