-- A user's own spec of their own script, in their own folder, with the builders of spec/support.
local examples = require "spec.support.examples"
local files = require "spec.support.files"
local pages = require "spec.support.pages"
local play = require "spec.support.play"

local function example()
  for _, found in ipairs(examples.of(pages.policies)) do
    if found.kind == "spec" and found.text:find "^%-%- my_spec%.lua" then return found.text end
  end
end

local read = files.read

describe("a spec of one's own", function()
  after_each(play.curtain)

  local function run(text, ...)
    play.file("balancer.lua", read "balancer.lua")
    play.file("my_spec.lua", text)
    -- As from a shell: none of what the make that runs these specs has said.
    return play.run { env = { MAKEFLAGS = false, MAKELEVEL = false, MFLAGS = false }, ... }
  end

  local function make(text)
    return run(text, "make", "--no-print-directory", "test-policy", "FILE=" .. play.directory() .. "/my_spec.lua")
  end

  it("runs by make test-policy, in its own folder", function()
    local said = make(example())
    assert.equal(0, said.code, said.out .. said.err)
    assert.truthy(said.out:find "2 successes / 0 failures / 0 errors", said.out)
  end)

  it("runs from another folder, by the spec's name", function()
    local said = run(example(), "sh", "-c", ("root=$PWD; cd %s && make -C $root test-policy FILE=my_spec.lua")
      :format(play.directory()))
    assert.equal(0, said.code, said.out .. said.err)
    assert.truthy(said.out:find "2 successes / 0 failures / 0 errors", said.out)
  end)

  it("fails if it does not hold", function()
    local said = make((example():gsub('assert.equal%("c"', 'assert.equal("b"')))
    assert.not_equal(0, said.code)
    assert.truthy(said.out:find "1 success / 1 failure", said.out)
  end)

  it("runs with what make install installs, too", function()
    local root = play.directory() .. "/root"
    local installed = play.run {
      "make", "-s", "install-scripts", "DESTDIR=" .. root, "PREFIX=/usr",
      env = { MAKEFLAGS = false, MAKELEVEL = false, MFLAGS = false },
    }
    assert.equal(0, installed.code, installed.err)
    local path = ("LUA_PATH='%s/usr/share/lb/?.lua;;'"):format(root)
    local command = ("cd %s && %s busted --lua=luajit my_spec.lua"):format(play.directory(), path)
    local said = run(example(), "sh", "-c", command)
    assert.equal(0, said.code, said.out .. said.err)
    local own = "return require('spec.support.script').load_text [[return require 'rate_limit' { rate = 1 }]]"
    said = run(own, "sh", "-c", ("cd / && %s luajit %s/my_spec.lua"):format(path, play.directory()))
    assert.equal(0, said.code, said.out .. said.err)
  end)

  it("has to be named", function()
    local said = play.run { "make", "test-policy", env = { MAKEFLAGS = false, MAKELEVEL = false, MFLAGS = false } }
    assert.not_equal(0, said.code)
    assert.truthy(said.err:find "FILE=/path/to/my_spec.lua", said.err)
  end)
end)
