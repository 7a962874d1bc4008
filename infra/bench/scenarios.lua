-- scenarios - what is measured, of whom, and what it should be.
--
-- Each has a path of the origin, and connections that ask again as soon as they have an answer. All contestants take
-- part in a scenario unless it says who.

local MAIN = { "relay", "haproxy", "haproxy-lua", "nginx-lua", "lb", "lb2" }

return {
  {
    name = "small", title = "Small: 64 connections, answers of 100 bytes",
    path = "/100", connections = 64,
  },
  { name = "10k", title = "10 KiB answers: 64 connections", path = "/10k", connections = 64, who = MAIN },
  { name = "post", title = "10 KiB posts: 64 connections", path = "/100", connections = 64, post = 10240, who = MAIN },
  { name = "1m", title = "1 MiB answers: 16 connections", path = "/1m", connections = 16, who = MAIN, per_gib = true },
  {
    name = "newconn", title = "A new client connection per request: 64 at a time",
    path = "/100", connections = 64, closing = true, who = MAIN,
  },
}
