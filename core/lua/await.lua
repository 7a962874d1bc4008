-- await - the functions of lb that take a while.
--
-- The work is done in C (core/policy/await.h), where there is a loop: `host` has its functions then.
-- Where a script is only loaded, by the supervisor and `lb check`, there is none. The last thing that a
-- function does here is to call the one of C, as a tail call, so that an error is told of the script's line.
local inside, lb = ...

local host = inside.host
local error, format = error, string.format

local function hosted(name)
  return host[name] or error(format("lb.%s may be called in hooks only", name), 3)
end

function lb.sleep(...) return hosted "sleep"(...) end
