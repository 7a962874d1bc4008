-- 10,000 calls of gRPC through lb, by grpc-js as the server, the client, or both
-- (spec/system/h2/grpc_spec.lua: both by gRPC's C core).
local grpc_calls = require "spec.support.grpc_calls"
local h2_lb = require "spec.support.h2_lb"

local IO, JS = grpc_calls.IO, grpc_calls.JS

for _, pair in ipairs {
  { name = "of grpc-js to servers of grpc-js", client = JS, server = JS },
  { name = "of grpc-js to servers of the C core", client = JS, server = IO },
  { name = "of the C core to servers of grpc-js", client = IO, server = JS },
} do
  describe("calls of gRPC " .. pair.name, function()
    after_each(h2_lb.clear)

    it("are all answered while a server is stopped and started, and the script reloaded", function()
      grpc_calls.survives_stop(pair.server, pair.client)
    end)

    it("fail as UNAVAILABLE, once, where they were in flight at a server that is killed", function()
      grpc_calls.survives_kill(pair.server, pair.client)
    end)
  end)
end
