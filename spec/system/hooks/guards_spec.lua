-- What a guard compares: host, path, cookies and fields, as scripts read them
-- (scripts/README.md, Guards).
local clean_path = require "spec.support.clean_path"
local examples = require "spec.support.examples"
local pages = require "spec.support.pages"
local json = require "dkjson"
local play = require "spec.support.play"

-- Answers as a server that decodes, resolves dots and merges slashes, as most do.
local function application()
  return play.answering(function(request)
    local function decode(hex) return string.char(tonumber(hex, 16)) end
    local path = request.target:match "^[^?]*":gsub("%%(%x%x)", decode)
    path = path:gsub(";[^/]*", ""):gsub("/+", "/")
    local kept = {}
    for name in path:gmatch "[^/]+" do
      if name == ".." then table.remove(kept) elseif name ~= "." then kept[#kept + 1] = name end
    end
    return kept[1] == "admin" and "SECRET" or "public"
  end)
end

local function start(choose, options)
  options = options or {}
  options.script = ([[
    local function show(...) return lb.json.encode(lb.json.array { ... }) end
    return { choose = function(ctx, backends) %s end, %s }]]):format(choose, options.hooks or "")
  options.backends = options.backends or { play.hello "one" }
  return play.balancer(options)
end

describe("ctx.host", function()
  after_each(play.curtain)

  local function asked(lb, head)
    local client = lb:connect()
    client:send(head .. "\r\n\r\n")
    local answer = client:response()
    client:close()
    return answer.body
  end

  it("is in lower case, without a port and without a dot at its end", function()
    local lb = start "return ctx:respond { body = ctx.host .. ' ' .. ctx.host .. ' ' .. (ctx.headers.host or 'none') }"
    for host, wanted in pairs {
      ["a.example.com"] = "a.example.com", ["A.Example.COM:80"] = "a.example.com", ["a.example.com."] = "a.example.com",
      ["ADMIN.example.com.:8080"] = "admin.example.com", ["%41.b"] = "a.b", ["[2001:DB8::000A]:80"] = "[2001:db8::a]",
    } do
      assert.equal(("%s %s %s"):format(wanted, wanted, host), asked(lb, "GET / HTTP/1.1\r\nHost: " .. host))
      assert.equal(("%s %s %s"):format(wanted, wanted, host),
        asked(lb, ("GET http://%s/ HTTP/1.1\r\nHost: other"):format(host)))
    end
    assert.equal("  none", asked(lb, "GET / HTTP/1.0"))
  end)

  it("is so in every hook", function()
    local lb = start("return backends[1]", { hooks = [[
      on_response = function(ctx) return ctx:respond { body = ctx.host } end,
      on_done = function(ctx) lb.sleep(0.01) lb.log.info(ctx.host .. " " .. ctx.clean_path) end]] })
    assert.equal("a.b", asked(lb, "GET //x/%41 HTTP/1.1\r\nHost: A.B."))
    lb:event("script", { message = "a.b /x/A" })
  end)
end)

describe("ctx.clean_path", function()
  after_each(play.curtain)

  it("is what the path comes to, next to the path as it came", function()
    local lb = start "return ctx:respond { body = show(ctx.path, ctx.clean_path, ctx.clean_path_error) }"
    local function seen(target, options) return json.decode(lb:fetch(target, options).body) end
    assert.same({ "/", "/" }, seen "/")
    assert.same({ "//a/%62;c/./d/../e", "/a/b/e" }, seen "//a/%62;c/./d/../e?f=/../g")
    assert.same({ "*", "*" }, seen("*", { method = "OPTIONS" }))
    local raw = "/" .. ("a/../"):rep(1000) .. "admin"
    assert.same({ raw, "/admin" }, seen(raw))
  end)

  it("is nil, and the error says why, where servers differ", function()
    local lb = start [[
      return ctx:respond { body = (ctx.clean_path == nil and "nil: " or "") .. (ctx.clean_path_error or "") }]]
    for path, wanted in pairs {
      ["/.."] = "nil: '..' above the root", ["/a%2fb"] = "nil: an encoded '/' (%2f)",
      ["/%"] = "nil: a '%' without two hex digits",
      ["/%00"] = "nil: an encoded NUL (%00)",
      ["/a\\b"] = "nil: a backslash", ["/%c0%ae"] = "nil: bytes that are not UTF-8",
      ["/a"] = "",
    } do
      assert.equal(wanted, lb:fetch(path).body)
      assert.equal(wanted == "", clean_path(path) ~= nil)
    end
  end)

  it("is made once for a request, however often it is asked for", function()
    local lb = start [[
      local path = ctx.clean_path
      for _ = 1, 1e4 do
        assert(ctx.clean_path == path and ctx.clean_path_error == nil and ctx.host == "example.test")
      end
      return ctx:respond { body = path }]]
    assert.equal("/" .. ("x"):rep(6000), lb:fetch("//" .. ("x"):rep(6000)).body)
  end)
end)

describe("the guard of scripts/README.md", function()
  after_each(play.curtain)

  it("lets nobody in, however the path and the host are written", function()
    local guard
    for _, example in ipairs(examples.of(pages.policies)) do
      if example.text:find("is_in", 1, true) then guard = example.text end
    end
    local app = application()
    local lb = play.balancer { script = guard, backends = { app }, env = { ADMIN_KEY = "k" } }
    local function ask(path, fields) return lb:fetch(path, { fields = fields }) end
    assert.equal("public", ask("/").body)
    assert.equal("public", ask("/administration").body)
    for _, path in ipairs {
      "/admin", "/admin/x", "/%61dmin/x", "//admin/x", "/a/../admin/x", "/./admin/x", "/admin%2fx", "/admin;x/y",
      "/;/admin", "/a/%2e%2e/admin", "/a/..;/admin", "/admin/../public", "/admin//../public", "/a//../admin",
      "/..//admin", "/%5cadmin", "/admin?x", "/%61%64%6d%69%6e", "/a/./../admin/",
    } do
      local answer = ask(path)
      assert(answer.status >= 400 and answer.status < 500, path .. " " .. answer.status)
      assert.is_nil(answer.body:find("SECRET", 1, true), path)
    end
    local lower = #app.requests
    local admin = { host = "ADMIN.example.com." }
    local function with(fields)
      local client = lb:connect()
      client:send(("GET /admin HTTP/1.1\r\nHost: %s\r\n%s\r\n"):format(admin.host, fields))
      local answer = client:response()
      client:close()
      return answer.body
    end
    assert.is_nil(with "":find("SECRET", 1, true))
    assert.is_nil(with "X-Admin-Key: k\r\nX-Admin-Key: k\r\n":find("SECRET", 1, true))
    assert.is_nil(with "X-Admin-Key: kk\r\n":find("SECRET", 1, true))
    assert.equal(lower, #app.requests)
    assert.equal("SECRET", with "X-Admin-Key: k\r\n")
  end)
end)

describe("cookies", function()
  after_each(play.curtain)

  it("of one name are all there, in their order", function()
    local lb = start [[
      local each = {}
      for name, value in ctx.cookies:each() do each[#each + 1] = name .. "=" .. value end
      local cookies = ctx.cookies
      return ctx:respond { body = show(cookies.a, cookies:all "a", cookies:all "none", cookies:all "all", each) }]]
    local fields = "Cookie: a=1; b=2;a = 3 ; broken; =4\r\nX: a=5\r\ncookie: all=6; a=\r\n"
    assert.same({ "1", { "1", "3", "" }, {}, { "6" }, { "a=1", "b=2", "a=3", "=4", "all=6", "a=" } },
      json.decode(lb:fetch("/", { fields = fields }).body))
  end)

  it("may be many, and cost a walk over them", function()
    local lb = start "return ctx:respond { body = tostring(#ctx.cookies:all '') .. (ctx.cookies.z or '') }"
    assert.equal("20000", lb:fetch("/", { fields = "Cookie: " .. ("=;"):rep(20000) .. "\r\n" }).body)
  end)

  it("of two sticky ones each is tried before another backend is", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = play.balancer { backends = { one, two }, script = [[
      return require "sticky_cookie" { secret = "s", health = { interval = 0.2, timeout = 5 } }]] }
    local cookie
    for _ = 1, 2 do
      local answer = lb:fetch "/"
      if answer.body == "two" then cookie = answer:field "set-cookie":match "^[^;]+" end
    end
    for _, others in ipairs { "lb_backend=stale; %s", "%s; lb_backend=stale", "x=y; lb_backend=; lb_backend=a; %s" } do
      for _ = 1, 4 do
        local answer = lb:fetch("/", { fields = "Cookie: " .. others:format(cookie) .. "\r\n" })
        assert.equal("two", answer.body)
        assert.is_nil(answer:field "set-cookie")
      end
    end
    local answer = lb:fetch("/", { fields = "Cookie: " .. ("lb_backend=a; "):rep(2000) .. "\r\n" })
    assert.truthy(answer:field "set-cookie")
    assert.equal(0, #lb:events "policy_error")
  end)
end)

describe("headers:each()", function()
  after_each(play.curtain)

  it("walks through the fields as they came, and only those that are forwarded", function()
    local lb = start [[
      local each = {}
      for name, value in ctx.headers:each() do each[#each + 1] = name .. ": " .. value end
      return ctx:respond { body = show(each) }]]
    local client = lb:connect()
    client:send("GET http://A.b/ HTTP/1.1\r\nHost: other\r\nX-B: 1\r\nConnection: x-gone\r\nx-a: \r\nX-Gone: 2\r\n" ..
      "X-B: 3\r\nX-Forwarded-For: 4\r\nAll: 5\r\n\r\n")
    assert.same({ { "Host: A.b", "X-B: 1", "Connection: x-gone", "x-a: ", "X-B: 3", "All: 5" } },
      json.decode(client:response().body))
    client:close()
  end)

  it("walks through the fields of a response, and of a response to lb.http", function()
    local one = play.backend(function(conn)
      play.receive(conn)
      conn:send "HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie: a\r\nx-a: 2\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
    end)
    local lb = start([[
      if ctx.path == "/http" then
        local res, count = assert(lb.http.get("http://" .. backends[1].address)), {}
        for name, value in res.headers:each() do count[#count + 1] = name .. ": " .. value end
        table.sort(count)
        return ctx:respond { body = show(count) }
      end
      return backends[1] ]], { backends = { one }, hooks = [[
      on_response = function(ctx, backend, res)
        local each = {}
        for name, value in res.headers:each() do each[#each + 1] = name .. ": " .. value end
        return ctx:respond { body = show(each) }
      end]] })
    assert.same({ { "X-A: 1", "Set-Cookie: a", "x-a: 2", "Set-Cookie: b", "Content-Length: 0" } },
      json.decode(lb:fetch("/").body))
    assert.same({ { "content-length: 0", "set-cookie: a", "set-cookie: b", "x-a: 1", "x-a: 2" } },
      json.decode(lb:fetch("/http").body))
  end)

  it("ends with its hook", function()
    local lb = start [[
      if ctx.path == "/keep" then
        kept, cookies = ctx.headers:each(), ctx.cookies:each()
        kept()
        return ctx:respond {}
      end
      return ctx:respond { body = show((select(2, pcall(kept))), (select(2, pcall(cookies)))) }]]
    lb:fetch "/keep"
    for _, said in ipairs(json.decode(lb:fetch("/").body)) do
      assert.truthy(said:find("was kept from another call", 1, true), said)
    end
  end)
end)

describe("pairs", function()
  after_each(play.curtain)

  it("of what it would find nothing in says what to write", function()
    local lb = start [[
      local said = {}
      local function try(object) said[#said + 1] = select(2, pcall(function() for _ in pairs(object) do end end)) end
      try(ctx) try(ctx.headers) try(ctx.cookies) try(backends[1])
      return ctx:respond { body = show(unpack(said)) }]]
    local said = json.decode(lb:fetch("/").body)
    for i, wanted in ipairs {
      "pairs(ctx) finds nothing: its fields are read by name, and those of the head by ctx.headers:each()",
      "pairs(ctx.headers) finds nothing: write for name, value in ctx.headers:each() do",
      "pairs(ctx.cookies) finds nothing: write for name, value in ctx.cookies:each() do",
      "pairs(backend) finds nothing: its fields are read by name; for each of a list " ..
        "write for _, one in ipairs(backends) do",
    } do
      assert.equal(wanted, said[i]:match "^.-balancer%.lua:%d+: (.*)$")
    end
  end)

  it("of a response, too", function()
    local lb = start("return backends[1]", { hooks = [[
      on_response = function(ctx, backend, res)
        local a, b = pcall(pairs, res)
        local c, d = pcall(pairs, res.headers)
        return ctx:respond { body = show(a, b, c, d) }
      end]] })
    local got = json.decode(lb:fetch("/").body)
    assert.same({ false, false }, { got[1], got[3] })
    assert.truthy(got[2]:find("res.headers:each()", 1, true))
    assert.truthy(got[4]:find("in res.headers:each() do", 1, true))
  end)

  it("goes in the order of the keys while the script is loaded, and forgives what is removed meanwhile", function()
    local lb = play.balancer { script = [[
      local t = { 10, 20, x = 1, a = 2, [true] = 3, [2.5] = 4, [-1] = 5 }
      local seen = {}
      for k, v in pairs(t) do seen[#seen+1] = tostring(k) .. "=" .. tostring(v) t[k] = nil end
      assert(table.concat(seen, " ") == "-1=5 1=10 2=20 2.5=4 a=2 x=1 true=3", table.concat(seen, " "))
      assert(next(t) == nil)
      local u, count = { a = 1, b = 2, c = 3 }, 0
      for k in pairs(u) do count = count + 1 u.b, u.c = nil, nil end
      assert(count == 1)
      local big, n = {}, 0
      for i = 1, 20000 do big["k" .. i] = i end
      for _ in pairs(big) do n = n + 1 end
      assert(n == 20000)
      assert(not pcall(pairs, 5))
      return { choose = function(ctx) return ctx:respond { body = "loaded" } end }]] }
    assert.equal("loaded", lb:fetch("/").body)
  end)

  it("walks through everything else as before", function()
    local lb = play.balancer { script = [[
      return { backends = { { address = "127.0.0.1:1", tags = { a = "1", b = "2" } }, "127.0.0.1:2" },
      choose = function(ctx, backends)
        local names = {}
        for _, one in pairs(backends.all) do names[#names + 1] = one.address end
        for name, value in pairs(backends.all[1].tags) do names[#names + 1] = name .. value end
        for name in pairs(setmetatable({ plain = 1 }, { __index = { other = 2 } })) do names[#names + 1] = name end
        for name in pairs(setmetatable({ closed = 1 }, { __metatable = false })) do names[#names + 1] = name end
        for name in pairs(ctx.vars) do names[#names + 1] = name end
        for name in pairs { 1, x = 2 } do names[#names + 1] = tostring(name) end
        table.sort(names)
        local _, none = pcall(pairs, nil)
        local _, text = pcall(pairs, "x")
        return ctx:respond { body = lb.json.encode { names, none, text, next({}) == nil } }
      end }]] }
    assert.same({ { "1", "127.0.0.1:1", "127.0.0.1:2", "a1", "b2", "closed", "plain", "x" },
      "bad argument #1 to 'pairs' (table expected, got nil)",
      "bad argument #1 to 'pairs' (table expected, got string)",
      true }, json.decode(lb:fetch("/").body))
  end)
end)
