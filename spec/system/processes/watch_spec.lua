-- With --watch a script is loaded again when its file, or a module, is saved.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local answering = reloading.answering

local function watched(text)
  local lb, say = reloading.start(text, { args = { "--watch" } })
  lb:event "watch"
  assert.is_true(lb:event("start").watched)
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
    lb:freeze() -- so that it is a burst to lb, however long it takes here
    for i = 1, 20 do save_in_place(say, answering("" .. i)) end
    lb:thaw()
    becomes(lb, "20")
    play.until_still(say.answers)
    assert.truthy(say.answers() <= 2)
  end)

  it("may be half written: the running script stays, and the next save counts", function()
    local lb, say = watched(answering "old")
    save_in_place(say, "return { choose = func")
    lb:event "reload_refused"
    assert.equal("old", lb:fetch("/").body)
    save_in_place(say, answering "new")
    becomes(lb, "new")
  end)

  it("is loaded when a module next to it is saved", function()
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

describe("a module of a script that is watched", function()
  after_each(play.curtain)

  local folder

  before_each(function() folder = assert(uv.fs_mkdtemp "/tmp/lb-spec-XXXXXX") end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function write(name, text)
    os.execute(("mkdir -p '%s/%s'"):format(folder, name:match "^(.*)/" or "."))
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end

  local function start(name, more)
    write("balancer.lua", ("local words = require %q %s"):format(name, (answering "x"):gsub('"x"', "words")))
    more = more or {}
    more.file, more.args = folder .. "/balancer.lua", { "--watch" }
    return play.balancer(more)
  end

  it("may be a link to a file elsewhere", function()
    write("elsewhere/text.lua", "return 'old'")
    assert(uv.fs_symlink(folder .. "/elsewhere/text.lua", folder .. "/words.lua"))
    local lb = start "words"
    assert.equal("old", lb:fetch("/").body)
    write("elsewhere/text.lua", "return 'new'")
    becomes(lb, "new")
  end)

  it("may be in a volume of Kubernetes, which changes its link ..data", function()
    for number, word in ipairs { "old", "new" } do
      write(("volume/..%d/words.lua"):format(number), ("return %q"):format(word))
    end
    assert(uv.fs_symlink("..1", folder .. "/volume/..data"))
    assert(uv.fs_symlink("..data/words.lua", folder .. "/volume/words.lua"))
    assert(uv.fs_symlink("volume", folder .. "/scripts"))
    local lb = start "words"
    assert.equal("old", lb:fetch("/").body)
    assert(uv.fs_symlink("..2", folder .. "/volume/..new"))
    assert(os.rename(folder .. "/volume/..new", folder .. "/volume/..data"))
    becomes(lb, "new")
  end)

  it("may be in a folder of its own, also a module that a later script requires", function()
    write("lib/words.lua", "return 'old'")
    write("lib/others.lua", "return 'others'")
    local lb = start "lib.words"
    assert.equal("old", lb:fetch("/").body)
    write("lib/words.lua", "return 'new'")
    becomes(lb, "new")
    write("balancer.lua", 'local words = require "lib.others" ' .. (answering "x"):gsub('"x"', "words"))
    becomes(lb, "others")
    write("lib/others.lua", "return 'newer'")
    becomes(lb, "newer")
  end)

  local without = { -- the limit, what refuses, and how
    ["fs.inotify.max_user_instances"] = "int inotify_init1(int flags) { (void)flags; errno = EMFILE; return -1; }",
    ["fs.inotify.max_user_watches"] = [[
      #include <stdint.h>
      int inotify_add_watch(int fd, const char *path, uint32_t mask) {
        (void)fd, (void)path, (void)mask;
        errno = ENOSPC;
        return -1;
      }]],
  }
  for limit, text in pairs(without) do
    it(("is looked at where %s is used up, and an event says so once"):format(limit), function()
      write("lib/words.lua", "return 'old'")
      write("none.c", "#include <errno.h>\n" .. text)
      assert.equal(0, os.execute(("cc -shared -fPIC -o '%s/none.so' '%s/none.c'"):format(folder, folder)))
      local lb = start("lib.words", { env = {
        LD_PRELOAD = folder .. "/none.so",
        ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
      } })
      local event = lb:event "watch_failed"
      assert.equal(limit, event.limit)
      assert.truthy(event.message:find(limit .. " is reached", 1, true), event.message)
      write("lib/words.lua", "return 'new'")
      becomes(lb, "new")
      write("balancer.lua", answering "last")
      becomes(lb, "last")
      play.until_still(function() return #lb:events "reload" end)
      assert.equal(2, #lb:events "reload")
      assert.equal(1, #lb:events "watch_failed")
      assert.same({}, lb:events "watch")
    end)
  end
end)

describe("a script that is not watched", function()
  after_each(play.curtain)

  it("waits for SIGHUP", function()
    local lb, say = reloading.start(answering "old")
    save_in_place(say, answering "new")
    assert.equal("old", lb:fetch("/").body)
    assert.equal(0, #lb:events "watch")
    assert.is_false(lb:event("start").watched)
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
