-- Answers every request itself, with its name: a backend to try things out with.
local name = os.getenv "NAME" or "hello"

return {
  listen = os.getenv "LISTEN" or "0.0.0.0:8080",

  choose = function(ctx)
    return ctx:respond { headers = { ["Content-Type"] = "text/plain" }, body = name .. "\n" }
  end,
}
