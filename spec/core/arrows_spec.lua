-- infra/arrows.lua, shown small trees that are right or wrong.

local lfs = require("lfs")

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

describe("the arrows between the files of core", function()
  local root

  before_each(function()
    root = os.tmpname()
    assert(os.remove(root))
    assert(lfs.mkdir(root))
    assert(lfs.mkdir(root .. "/core"))
  end)

  after_each(function()
    os.execute("rm -rf '" .. root .. "'")
  end)

  -- files: path below core/ = text. What the checker prints, and whether it was content.
  local function draw(files)
    for path, text in pairs(files) do
      local folder = path:match("^(.-)/")
      if folder then lfs.mkdir(root .. "/core/" .. folder) end
      write(root .. "/core/" .. path, text)
    end
    local run = assert(io.popen("luajit infra/arrows.lua '" .. root .. "'; echo status $?"))
    local said = run:read("*a")
    run:close()
    return said:match("^(.*)status %d+\n$"), said:match("status (%d+)\n$") == "0"
  end

  local function assert_refused(files, expected)
    local said, content = draw(files)
    assert.is_false(content)
    assert.equal(expected, said:match("^[^\n]*"))
    assert.truthy(said:find("1 wrong", 1, true), said)
  end

  it("may stay in a folder, go down, and leave main.c for anywhere", function()
    local said, content = draw {
      ["main.c"] = '#include "process/worker.h"\n#include "base/mem.h"\n',
      ["process/worker.h"] = '#include "proxy/exchange.h"\n#include "lua/sandbox.h"\n',
      ["proxy/exchange.h"] = '#include "client/client.h"\n#include "upstream/pool.h"\n#include <stdio.h>\n',
      ["client/client.h"] = '#include "http/head.h"\n',
      ["upstream/pool.h"] = '#include "config/config.h"\n',
      ["config/config.h"] = '#include "net/address.h"\n#include "base/mem.h"\n',
      ["config/load.c"] = "#include <lua.h>\n#include <lauxlib.h>\n",
      ["http/head.h"] = "",
      ["http/parse.c"] = "#include <llhttp.h>\n",
      ["net/address.h"] = "#include <uv.h>\n",
      ["lua/sandbox.h"] = "#include <luajit.h>\n",
      ["base/mem.h"] = "",
      ["base/mem.c"] = '#include "base/mem.h"\n',
    }
    assert.equal("arrows: 13 files, 17 includes, 0 wrong\n", said)
    assert.is_true(content)
  end)

  it("may not go up", function()
    assert_refused({
      ["base/mem.h"] = '#include <stddef.h>\n\n  #  include "net/loop.h"\n',
      ["net/loop.h"] = "",
    }, "core/base/mem.h:3: net/loop.h is on a higher floor")
  end)

  it("may not go to a neighbour", function()
    assert_refused({
      ["client/client.c"] = '#include "upstream/pool.h"\n',
      ["upstream/pool.h"] = "",
    }, "core/client/client.c:1: upstream/pool.h is a neighbour on the same floor")
  end)

  it("do not start in a header next to main.c", function()
    assert_refused({ ["main.h"] = "" }, "core/main.h:1: lives on no floor")
  end)

  it("do not lead to main.c", function()
    assert_refused({
      ["main.c"] = "",
      ["process/worker.c"] = '#include "main.c"\n',
    }, "core/process/worker.c:1: main.c is on no floor")
  end)

  it("are drawn by path from core/", function()
    assert_refused({
      ["base/mem.c"] = '#include "mem.h"\n',
      ["base/mem.h"] = "",
    }, "core/base/mem.c:1: no core/mem.h; include by path from core/")
  end)

  it("do not start in an unknown folder", function()
    assert_refused({ ["util/strings.c"] = "" }, "core/util/strings.c:1: lives on no floor")
  end)

  local doors = {
    { "uv.h", "client/client.h", "net/" },
    { "uv/unix.h", "proxy/answer.c", "net/" },
    { "llhttp.h", "http/head.h", "http/parse.c" },
    { "nghttp2/nghttp2.h", "wire/h2.c", "http/hpack.c" },
    { "openssl/ssl.h", "client/client.h", "net/tls_, net/tls.c" },
    { "lua.h", "config/config.c", "lua/, script/, policy/, config/load.c" },
    { "lauxlib.h", "process/worker.c", "lua/, script/, policy/, config/load.c" },
    { "lualib.h", "main.c", "lua/, script/, policy/, config/load.c" },
    { "luajit-2.1/luajit.h", "net/loop.c", "lua/, script/, policy/, config/load.c" },
  }
  for _, door in ipairs(doors) do
    local header, file, allowed = unpack(door)
    for _, written in ipairs { "<" .. header .. ">", '"' .. header .. '"' } do
      it(("reach %s through its door only, not from %s"):format(written, file), function()
        assert_refused({ [file] = "#include " .. written .. "\n" },
          ("core/%s:1: %s has another door: %s"):format(file, header, allowed))
      end)
    end
  end

  describe("make no circle in a folder", function()
    it("of two files", function()
      assert_refused({
        ["net/loop.h"] = '#include "net/deadline.h"\n',
        ["net/deadline.h"] = "",
        ["net/deadline.c"] = '#include "net/deadline.h"\n#include "net/loop.h"\n',
      }, "a circle in core/net: deadline loop")
    end)

    it("of three, next to files that only hang on it", function()
      assert_refused({
        ["http/a.c"] = '#include "http/b.h"\n', ["http/a.h"] = "",
        ["http/b.h"] = '#include "http/c.h"\n#include "http/leaf.h"\n',
        ["http/c.h"] = '#include "http/a.h"\n', ["http/leaf.h"] = "",
        ["http/user.c"] = '#include "http/c.h"\n',
      }, "a circle in core/http: a b c")
    end)

    it("and a file may include its own header", function()
      local said, content = draw { ["base/mem.h"] = "", ["base/mem.c"] = '#include "base/mem.h"\n' }
      assert.equal("arrows: 2 files, 1 includes, 0 wrong\n", said)
      assert.is_true(content)
    end)
  end)

  it("cannot be right where there is nothing", function()
    local said, content = draw {}
    assert.is_false(content)
    assert.truthy(said:find("no sources", 1, true), said)
  end)
end)
