local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local answering = reloading.answering

local function watched(text)
  local lb, say = reloading.start(text, { args = { "--watch" } })
  lb:event "watch"
  return lb, say
end

local function save_in_place(say, text)
  local file = assert(io.open(say.path, "w"))
  file:write(text)
  file:close()
end

local function becomes(lb, body)
  play.wait("the new script", function() return lb:fetch("/").body == body end)
end

describe("a script that is watched", function()
  after_each(play.curtain)

  it("is loaded when another file gets its name, as editors save", function()
    local lb, say = watched(answering "old")
    assert.equal("old", lb:fetch("/").body)
    say.write(answering "new")
    lb:event "reload"
    assert.equal("new", lb:fetch("/").body)
  end)

  it("is loaded when it is written in place, again and again", function()
    local lb, say = watched(answering "0")
    for i = 1, 3 do
      save_in_place(say, answering("" .. i))
      becomes(lb, "" .. i)
    end
  end)

  it("is loaded once after a burst", function()
    local lb, say = watched(answering "0")
    for i = 1, 20 do save_in_place(say, answering("" .. i)) end
    becomes(lb, "20")
    play.until_still(say.answers)
    assert.truthy(say.answers() <= 2)
  end)

  it("may be half written: the one that runs stays, and the next save counts", function()
    local lb, say = watched(answering "old")
    save_in_place(say, "return { choose = func")
    lb:event "reload_refused"
    assert.equal("old", lb:fetch("/").body)
    save_in_place(say, answering "new")
    becomes(lb, "new")
  end)

  it("is loaded when a module beside it is saved", function()
    play.file("words.lua", "return 'old'")
    local lb = watched('local words = require "words" ' .. (answering "x"):gsub('"x"', 'words'))
    assert.equal("old", lb:fetch("/").body)
    play.file("words.lua", "return 'new'")
    becomes(lb, "new")
  end)

  it("is not loaded because of other files there", function()
    local lb, say = watched(answering "old")
    play.file("notes.txt", "nothing")
    play.file(".balancer.lua.swp", "nothing")
    save_in_place(say, answering "new")
    lb:event "reload"
    assert.equal("new", lb:fetch("/").body)
    assert.equal(1, say.answers())
  end)
end)

describe("a script that is not watched", function()
  after_each(play.curtain)

  it("waits for SIGHUP", function()
    local lb, say = reloading.start(answering "old")
    save_in_place(say, answering "new")
    assert.equal("old", lb:fetch("/").body)
    assert.equal(0, #lb:events "watch")
    assert.equal("reload", say().event)
    assert.equal("new", lb:fetch("/").body)
  end)

  it("may be in a folder that is replaced, or behind a link", function()
    local folder = assert(uv.fs_mkdtemp "/tmp/lb-spec-XXXXXX")
    finally(function() os.execute("rm -r " .. folder) end)
    local function make(name, body)
      assert(uv.fs_mkdir(folder .. "/" .. name, 448))
      local file = assert(io.open(folder .. "/" .. name .. "/balancer.lua", "w"))
      file:write(answering(body))
      file:close()
    end
    make("1", "one")
    assert(uv.fs_symlink(folder .. "/1", folder .. "/now"))
    local lb = play.balancer { file = folder .. "/now/balancer.lua", args = { "--watch" } }
    assert.equal("one", lb:fetch("/").body)
    make("2", "two")
    assert(uv.fs_symlink(folder .. "/2", folder .. "/next"))
    assert(os.rename(folder .. "/next", folder .. "/now"))
    becomes(lb, "two")
    assert(os.rename(folder .. "/2", folder .. "/gone"))
    make("2", "three")
    becomes(lb, "three")
    local file = assert(io.open(folder .. "/2/balancer.lua", "w"))
    file:write(answering "four")
    file:close()
    becomes(lb, "four")
    play.until_still(function() return #lb:events "reload" end)
    assert.equal(3, #lb:events "reload")
  end)
end)
