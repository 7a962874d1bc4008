-- process - programs that a spec starts, and that never outlive it.
--
--   process.start { "lb", "--listen", ... ; env =, cwd =, name =, stdin =, stdout = "unread" }
--                             starts it; p.pid, p.out and p.err (lists of whole lines so far),
--                             p.exit = { code =, signal = } once it has ended
--     descriptors             a list of those that it gets as 3, 4 ..; they stay the caller's
--   p:wait_exit(seconds)      waits for its end
--   p:signal("sigterm"); p:read_stdout(), if it was started unread
--   p:on_line(fn)             fn("out" or "err", line) for each line from now on
--   process.run { ... }       runs it to its end: { code, signal, out, err } (out and err as text)
--   process.children(pid)     the pids of its children
--   process.exists(pid)       alive, and not a zombie
--   process.directory()       a temporary directory, gone at the end
--   process.file(name, text)  a file in it
--   process.clear()           ends what still runs: SIGTERM, a bound, SIGKILL; a list of complaints

local uv = require "luv"
local loop = require "spec.support.loop"

local process = {}

local Process = {}
Process.__index = Process

local started = {}
local directory

local function environment(extra)
  local merged = {}
  for name, value in pairs(uv.os_environ()) do merged[name] = value end
  for name, value in pairs(extra or {}) do merged[name] = value or nil end
  local list = {}
  for name, value in pairs(merged) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local function take_lines(self, stream, bytes)
  local rest = self.partial[stream] .. bytes
  local from = 1
  while true do
    local stop = rest:find("\n", from, true)
    if not stop then break end
    local line = rest:sub(from, stop - 1)
    from = stop + 1
    table.insert(self[stream], line)
    loop.note(self.name, (stream == "err" and "says  " or "logs  ") .. line)
    for _, fn in ipairs(self.listeners) do fn(stream, line) end
  end
  self.partial[stream] = rest:sub(from)
end

local function read_pipe(self, stream)
  self.open = self.open + 1
  self.pipes[stream]:read_start(loop.callback(function(err, bytes)
    if bytes then return take_lines(self, stream, bytes) end
    assert(not err or err == "ECONNRESET", err)
    self.open = self.open - 1
    self.pipes[stream]:close()
  end))
end

function process.start(spec)
  local out, err = uv.pipe(), uv.pipe()
  local self = setmetatable({
    name = spec.name or spec[1]:match "[^/]*$", out = {}, err = {}, partial = { out = "", err = "" },
    listeners = {}, open = 0,
    pipes = { out = uv.new_pipe(false), err = uv.new_pipe(false) },
  }, Process)
  self.pipes.out:open(out.read)
  self.pipes.err:open(err.read)
  local handle, pid = uv.spawn(spec[1], {
    args = { select(2, unpack(spec)) }, env = environment(spec.env), cwd = spec.cwd,
    stdio = { nil, out.write, err.write, unpack(spec.descriptors or {}) },
  }, loop.callback(function(code, signal)
    self.exit = { code = code, signal = signal }
    loop.note(self.name, ("ended with status %d, signal %d"):format(code, signal))
    if not self.handle:is_closing() then self.handle:close() end
  end))
  uv.fs_close(out.write)
  uv.fs_close(err.write)
  if not handle then error(("cannot start %s: %s"):format(spec[1], pid), 2) end
  self.handle, self.pid = handle, pid
  started[#started + 1] = self
  loop.note(self.name, ("started, pid %d: %s"):format(pid, table.concat(spec, " ")))
  read_pipe(self, "err")
  if spec.stdout ~= "unread" then self:read_stdout() end
  return self
end

function Process:read_stdout()
  if not self.reads_stdout then
    self.reads_stdout = true
    read_pipe(self, "out")
  end
end

function Process:on_line(fn) table.insert(self.listeners, fn) end

function Process:signal(name)
  loop.note(self.name, "is sent " .. name)
  uv.kill(self.pid, name)
end

-- Its end, and everything that it wrote.
function Process:wait_exit(seconds)
  loop.wait(self.name .. " to end", function() return self.exit and self.open == 0 end, seconds)
  return self.exit
end

function process.run(spec)
  local self = process.start(spec)
  local exit = self:wait_exit(spec.seconds)
  local text = function(stream)
    local lines = table.concat(self[stream], "\n")
    return lines .. (#self[stream] > 0 and "\n" or "") .. self.partial[stream]
  end
  return { code = exit.code, signal = exit.signal, out = text "out", err = text "err" }
end

local function stat_of(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then return nil end
  local text = file:read "*a" or ""
  file:close()
  return text:match "^%d+ %(.*%) (%a) (%d+)"
end

function process.children(pid)
  local found = {}
  local scan = uv.fs_scandir "/proc"
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then break end
    local child = tonumber(name)
    if child then
      local state, parent = stat_of(child)
      if state and state ~= "Z" and tonumber(parent) == pid then found[#found + 1] = child end
    end
  end
  table.sort(found)
  return found
end

function process.is_stopped(pid) return stat_of(pid) == "T" end

function process.exists(pid)
  local state = stat_of(pid)
  return state ~= nil and state ~= "Z"
end

function process.directory()
  directory = directory or assert(uv.fs_mkdtemp "/tmp/lb-spec-XXXXXX")
  return directory
end

function process.file(name, text)
  local path = process.directory() .. "/" .. name
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

local function remove(path)
  local scan = uv.fs_scandir(path)
  while scan do
    local name, kind = uv.fs_scandir_next(scan)
    if not name then break end
    if kind == "directory" then
      remove(path .. "/" .. name)
    else
      os.remove(path .. "/" .. name)
    end
  end
  uv.fs_rmdir(path)
end

local function remove_directory()
  if directory then remove(directory) end
  directory = nil
end

local function waits_in_vain(ready) return not pcall(loop.wait, "an end", ready) end

function process.clear()
  local complaints = {}
  for _, p in ipairs(started) do
    if not p.exit then p:signal "sigterm" end
  end
  for _, p in ipairs(started) do
    local ended = function() return p.exit end
    if not p.exit and waits_in_vain(ended) then
      complaints[#complaints + 1] = p.name .. " did not end by SIGTERM"
      p:signal "sigkill"
      if waits_in_vain(ended) then complaints[#complaints + 1] = p.name .. " survived SIGKILL" end
    end
  end
  started = {}
  remove_directory()
  return complaints
end

return process
