-- h2_backends - lb before backends that speak HTTP/2 (spec.support.h2).
--
--   h2_backends.of(backend)                          its address, for lb
--   h2_backends.balancer(backends, settings, more)   lb with these; more: as of play.balancer
--   h2_backends.echo(options)                        a backend that answers with what it was asked
--   h2_backends.outcomes(exchange)                   of its tries: "unprocessed ok"

local h2 = require "spec.support.h2"
local play = require "spec.support.play"

local h2_backends = {}

function h2_backends.of(backend) return "h2c://" .. backend.address end

function h2_backends.balancer(backends, settings, more)
  local options = { backends = {}, settings = settings }
  for i, backend in ipairs(backends) do options.backends[i] = h2_backends.of(backend) end
  for name, value in pairs(more or {}) do options[name] = value end
  return play.balancer(options)
end

-- Of the tries of a request, in their order.
function h2_backends.outcomes(exchange)
  local list = {}
  for i, try in ipairs(exchange.tries) do list[i] = try.outcome end
  return table.concat(list, " ")
end

-- Answers with what it was asked.
function h2_backends.echo(options)
  return h2.backend(function(s)
    s:whole()
    s:answer(("%s %s %s"):format(s.method, s.path, s.body))
  end, options)
end

return h2_backends
