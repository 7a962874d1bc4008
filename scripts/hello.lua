-- Answers every request itself, with its name: a backend to try things out with.
return lb.script({ name = os.getenv "NAME" or "hello" }, function(options)
  ---@type lb.Script
  return {
    listen = os.getenv "LISTEN" or "0.0.0.0:8080",
    backends = {},

    choose = function(ctx)
      return ctx:respond { headers = { ["Content-Type"] = "text/plain" }, body = options.name .. "\n" }
    end,
  }
end)
