-- lb.task runs in the monitor, for as long as it takes, and again; lb.file reads what is there.
local play = require "spec.support.play"

describe("lb.task", function()
  after_each(play.curtain)

  local function start(top, options)
    options = options or {}
    options.script = ([[
local runs = lb.counter "runs"
%s
return {
  health = { interval = 0.2, timeout = 5 }, %s
  choose = function(ctx, backends) return ctx:respond { body = tostring(lb.get(ctx.path) or runs:get()) } end,
}]]):format(top, options.settings or "")
    options.settings = nil
    options.backends = { play.hello "one" }
    return play.balancer(options)
  end

  local function await(lb, path, body)
    play.wait(path .. " to be " .. body, function() return lb:fetch(path).body == body end)
  end

  it("runs once, however many workers there are, and again when it is over", function()
    local lb = start("lb.task('one', function() runs:add(1) end)", { workers = 3 })
    await(lb, "/", "2")
    local event = lb:event "task_over"
    assert.equal("one", event.task)
    assert.equal("the task is over and is called again in 1 s", event.message)
  end)

  it("awaits for longer than script.await", function()
    local lb = start([[
      lb.task("long", function()
        for i = 1, 3 do lb.sleep(0.2) runs:add(1) end
        lb.set("/", "over")
        lb.sleep(3600)
      end)]], { settings = "script = { await = 0.1 }," })
    await(lb, "/", "over")
    assert.equal(0, #lb:events "policy_error")
  end)

  it("that fails or never ends is called again, and checks continue", function()
    local lb = start([[
      lb.task("raises", function() lb.counter("raised"):add(1) error "no" end)
      lb.task("loops", function() runs:add(1) while true do end end)]])
    await(lb, "/", "2")
    play.wait("both", function()
      local kinds = {}
      for _, event in ipairs(lb:events "policy_error") do kinds[event.kind] = true end
      return kinds.error and kinds.timeout
    end)
    assert.equal(0, #lb:events "policy_parked")
  end)

  it("watches a service", function()
    local peer = play.backend(function(conn)
      play.receive(conn)
      conn:send "HTTP/1.1 200 OK\r\n\r\nfirst\n"
      conn:ended_by_peer(60)
    end)
    local lb = start(([[
      lb.task("watch", function()
        for line in lb.http.lines "http://%s/" do lb.set("/", line) end
      end)]]):format(peer.address))
    await(lb, "/", "first")
  end)

  it("is refused with what is no task", function()
    for top, words in pairs {
      ["lb.task('a b', print)"] = "lb.task needs a name",
      ["lb.task('a')"] = "lb.task(name, f) needs a function, got nil",
      ["lb.task('a', lb.now) lb.task('a', lb.now)"] = "there is a task 'a' already",
    } do
      local file = play.file("wrong.lua", top .. "\nreturn { backends = '127.0.0.1:1' }\n")
      local done = play.lb { "check", file }
      assert.not_equal(0, done.code)
      assert.matches("wrong.lua:1: " .. words, done.err, 1, true)
    end
  end)

  it("reads a file again and again", function()
    local file = play.file("token", "first")
    local lb = start(([[
      local token = lb.file %q
      lb.set("/start", token)
      lb.task("token", function()
        while true do
          lb.set("/", lb.file %q)
          lb.sleep(0.02)
        end
      end)]]):format(file, file))
    await(lb, "/", "first")
    await(lb, "/start", "first")
    play.file("token", "second")
    await(lb, "/", "second")
  end)
end)

describe("lb.file", function()
  after_each(play.curtain)

  local function said(path)
    local file = play.file("file.lua", ([[
      local text, why = lb.file(%q)
      error(tostring(text and #text) .. " " .. tostring(why))]]):format(path))
    return play.lb({ "check", file }).err
  end

  it("says what is wrong with a path", function()
    local large = play.file("large", ("x"):rep(1024 * 1024 + 1))
    assert.matches("nil /none: No such file or directory", said "/none", 1, true)
    assert.matches(": it has more than 1 MiB", said(large), 1, true)
    assert.matches("nil /tmp: Is a directory", said "/tmp", 1, true)
    assert.matches("nil /dev/zero: it is no regular file", said "/dev/zero", 1, true)
    assert.matches("nil : expected the path of a file", said "", 1, true)
    assert.matches("1048576 nil", said(play.file("right", ("x"):rep(1024 * 1024))), 1, true)
  end)

  it("is not read while a request waits", function()
    local lb = play.balancer { script = [[return {
      health = { interval = 0.2, timeout = 5 },
      choose = function(ctx, backends)
        local _, why = pcall(lb.file, "/etc/hostname")
        return ctx:respond { body = why }
      end }]], backends = { play.hello "one" } }
    assert.matches("lb.file may be called while the script is loaded, in lb.task", lb:fetch("/").body, 1, true)
  end)
end)
