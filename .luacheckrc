-- luacheck checks balancer.lua, scripts, spec, infra and the Lua inside core with this.
std = "luajit"
max_line_length = 120
unused_args = false -- a hook is shown more than it needs
files["balancer.lua"] = { read_globals = { "lb" } }
files["scripts"] = { read_globals = { "lb" } }
files["spec"] = { std = "luajit+busted" }
files["scripts/*.d.lua"] = { globals = { "lb" }, ignore = { "241", "631" } } -- annotations: nothing in them runs
