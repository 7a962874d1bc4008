-- The settings of a script: their defaults, what is in effect, and what the command line overrides.
local core = require "spec.support.core"
local settings = require "spec.support.settings"

describe("a script's settings", function()
  describe("have the documented defaults", function()
    local defaults = {
      ["listen.1"] = "0.0.0.0:3030", workers = "auto", fallback = "round_robin",
      ["health.interval"] = 2, ["health.timeout"] = 1, ["health.rise"] = 1, ["health.fall"] = 2,
      ["health.eject_after"] = 5, ["health.eject_for"] = 10, ["health.slow_start"] = 0, ["health.panic"] = 0,
      ["timeouts.connect"] = 1, ["timeouts.request_head"] = 10, ["timeouts.request_body"] = 30,
      ["timeouts.response_head"] = 30, ["timeouts.response_body"] = 30, ["timeouts.keep_alive"] = 75,
      ["timeouts.upstream_idle"] = 60, ["timeouts.request"] = 0,
      ["limits.request_line"] = 8192, ["limits.head"] = 65536, ["limits.fields"] = 128, ["limits.body"] = 0,
      ["limits.replay"] = 65536, ["limits.least_rate"] = 100, ["limits.queue"] = 0,
      ["timeouts.queue"] = 1, ["limits.memory"] = 0,
      ["limits.connections"] = 0, ["limits.attempts"] = 3, ["limits.retry_budget"] = 0.2,
      ["script.budget_ms"] = 10, ["script.memory"] = 64 * 2 ^ 20, ["script.park"] = 5,
      ["timeouts.tunnel"] = 3600, forwarded = false, trace = false, via = true, ["health.type"] = "tcp",
      body_first = "limited", reuse = "safe",
      ["backends.1.name"] = "a:1", ["backends.1.weight"] = 1,
    }
    for path, value in pairs(defaults) do
      it(path, function() assert.equal(value, settings.at(settings.of "return { backends = 'a:1' }", path)) end)
    end
  end)

  describe("are in effect:", function()
    local cases = { -- what the script returns, path, value
      { "listen = '127.0.0.1:80, [::1]:81'", "listen.2", "[::1]:81" },
      { "listen = { '127.0.0.1:80', ':81' }", "listen.2", ":81" },
      { "listen = ' :3030 '", "listen.1", ":3030" },
      { "listen = { ':80', { ' :81 ' } }", "listen.2", ":81" },
      { "listen = { ':80', { ':81', proxy = false } }", "listen.2", ":81" },
      { "listen = { { ':81', h2c = true } }", "listen.1.h2c", true },
      { "h2 = { streams = 7 }", "h2.streams", 7 },
      { "h2 = { streams = 7 }", "h2.websocket", true },
      { "h2 = { websocket = false }", "h2.websocket", false },
      { "limits = { per_client_requests = 9 }", "limits.per_client_requests", 9 },
      { "limits = { connection_age = 0.5 }", "limits.connection_age", 0.5 },
      { "trusted_proxies = '::1', listen = { ':80', { ':81', proxy = true } }", "listen.1", ":80" },
      { "trusted_proxies = '::1', listen = { ':80', { ':81', proxy = true } }", "listen.2.1", ":81" },
      { "trusted_proxies = '::1', listen = { ':80', { ':81', proxy = true } }", "listen.2.proxy", true },
      { "trusted_proxies = '::1', listen = { ':80', { ':81, :82', proxy = true } }", "listen.3.proxy", true },
      { "listen = 'localhost:3030'", "listen.1", "localhost:3030" },
      { "listen = '127.0.0.1:0, 127.0.0.1:0'", "listen.2", "127.0.0.1:0" },
      { "backends = ' a:1 ,http://b:2, unix:/c '", "backends.2.address", "b:2" },
      { "backends = ' a:1 ,http://b:2, unix:/c '", "backends.3.name", "unix:/c" },
      { "backends = [[\n a:1,\n b:2\n]]", "backends.2.name", "b:2" },
      { "backends = { 'a:1', { address = 'http://b:2' } }", "backends.2.name", "b:2" },
      { "backends = { { address = 'a:1', name = 'one' }, { address = 'a:1', name = 'two' } }", "backends.2.name",
        "two" },
      { "backends = { { address = 'a:1', name = 'say \"x\" \\\\ y' } }", "backends.1.name", 'say "x" \\ y' },
      { "backends = { { address = 'a:1', weight = 0 } }", "backends.1.weight", 0 },
      { "backends = { { address = 'a:1', weight = 1 } }", "backends.1.weight", 1 },
      { "backends = { { address = 'a:1', weight = 65535 } }", "backends.1.weight", 65535 },
      { "backends = { { address = 'a:1', max_in_flight = 7 } }", "backends.1.max_in_flight", 7 },
      { "backends = { { address = 'a:1', tags = { zone = 'x', ['a b'] = '' } } }", "backends.1.tags.zone", "x" },
      { "backends = { { address = 'a:1', tags = { zone = 'x', ['a b'] = '' } } }", "backends.1.tags.a b", "" },
      { "workers = 8", "workers", 8 },
      { "workers = 'auto'", "workers", "auto" },
      { "workers = ' 8 '", "workers", 8 },
      { "fallback = 'fail'", "fallback", "fail" },
      { "health = { type = 'tcp', interval = 0.25 }", "health.interval", 0.25 },
      { "health = { type = 'http' }", "health.type", "http" },
      { "health = { type = 'http' }", "health.path", "/" },
      { "health = { type = 'http' }", "health.host", nil },
      { "health = { type = 'http', path = '/up?deep=1&x=%20' }", "health.path", "/up?deep=1&x=%20" },
      { "health = { type = 'http', host = 'example.test:81' }", "health.host", "example.test:81" },
      { "health = { type = 'http', host = '[::1]' }", "health.host", "[::1]" },
      { "health = { type = 'tcp' }", "health.path", nil },
      { "forwarded = true", "forwarded", true },
      { "forwarded = false", "forwarded", false },
      { "via = false", "via", false },
      { "trace = true", "trace", true },
      { "body_first = 'never'", "body_first", "never" },
      { "body_first = 'always'", "body_first", "always" },
      { "reuse = 'safe'", "reuse", "safe" },
      { "reuse = 'all'", "reuse", "all" },
      { "log = { format = 'text' }", "log.format", "text" },
      { "log = { file = '/var/log/lb.log' }", "log.file", "/var/log/lb.log" },
      { "log = { host = true }", "log.host", true },
      { "log = {}", "log.host", false },
      { "timeouts = { tunnel = 604800 }", "timeouts.tunnel", 604800 },
      { "health = { interval = 0.0014 }", "health.interval", 0.001 },
      { "health = { interval = 86400 }", "health.interval", 86400 },
      { "health = { eject_after = 0 }", "health.eject_after", 0 },
      { "timeouts = { connect = 0.7 }", "timeouts.connect", 0.7 },
      { "timeouts = { request = 0.001 }", "timeouts.request", 0.001 },
      { "limits = { body = 2 ^ 40 }", "limits.body", 2 ^ 40 },
      { "limits = { head = 4096 }", "limits.request_line", 4096 },
      { "limits = { retry_budget = 0 }", "limits.retry_budget", 0 },
      { "script = { budget_ms = 0, memory = 0 }", "script.memory", 0 },
      { "script = { park = 0 }", "script.park", 0 },
    }
    for _, case in ipairs(cases) do
      local returned, path, value = unpack(case)
      it(returned, function()
        assert.equal(value, settings.at(settings.of("return { choose = function() end, " .. returned .. " }"), path))
      end)
    end

    describe("fail as fallback,", function()
      local texts = { -- of choose, and what is in effect
        { "return ctx:reject(403)", "fail" },
        { "return ctx : reject ( 403 )", "fail" },
        { "return ctx.reject(ctx, 403)", "fail" },
        { "local no = ctx['reject'] return no(ctx, 403)", "fail" },
        { "--[==[ ]] ]==] return ctx:reject(403)", "fail" },
        { "return ctx:respond { status = 403 }", "round_robin" },
        { "return ctx:rejected(403)", "round_robin" },
        { "--[==[ ctx:reject(403) ]==]", "round_robin" },
        { "-- ctx:reject(403)\n", "round_robin" },
        { "local s = 'ctx:reject \\' ctx:reject' .. [[ ctx:reject ]]", "round_robin" },
        { "local reject = '' return nil, 'x'..reject", "round_robin" },
        { "reject = 1 ::reject::", "round_robin" },
      }
      for _, case in ipairs(texts) do
        local body, value = unpack(case)
        it(value .. ", by the text " .. body, function()
          local text = "return { backends = 'a:1', %schoose = function(ctx) " .. body .. " end }"
          assert.equal(value, settings.of(text:format "").fallback)
          assert.equal("round_robin", settings.of(text:format "fallback = 'round_robin', ").fallback)
          assert.equal("fail", settings.of(text:format "fallback = 'fail', ").fallback)
        end)
      end
    end)

    describe("a list of", function()
      local lists = { -- what the script returns, path, how it is printed
        { "backends = 'a:1'", "trusted_proxies", {} },
        { "trusted_proxies = {}", "trusted_proxies", {} },
        { "trusted_proxies = os.getenv 'NOBODY' or ''", "trusted_proxies", {} },
        { "trusted_proxies = '10.0.0.0/8'", "trusted_proxies", { "10.0.0.0/8" } },
        { "trusted_proxies = ' 10.0.0.0/8,\\n ::1, 192.0.2.1 '", "trusted_proxies",
          { "10.0.0.0/8", "::1/128", "192.0.2.1/32" } },
        { "trusted_proxies = { '2001:db8::/32', '127.0.0.1, 127.0.0.2' }", "trusted_proxies",
          { "2001:db8::/32", "127.0.0.1/32", "127.0.0.2/32" } },
        { "backends = 'a:1'", "pages", {} },
        { "pages = {}", "pages", {} },
        { "log = { headers = { 'User-Agent', 'x_y' } }", "log.headers", { "user-agent", "x_y" } },
        { "log = { headers = 'Referer' }", "log.headers", { "referer" } },
        { "log = { headers = {} }", "log.headers", {} },
        { "log = { skip = { '/healthz', '/static/', '*' } }", "log.skip", { "/healthz", "/static/", "*" } },
        { "log = { skip = '/' }", "log.skip", { "/" } },
        { "health = { type = 'http' }", "health.status", { "2xx" } },
        { "health = { type = 'http', status = '2XX' }", "health.status", { "2xx" } },
        { "health = { type = 'http', status = 204 }", "health.status", { 204 } },
        { "health = { type = 'http', status = '204' }", "health.status", { 204 } },
        { "health = { type = 'http', status = { 599, '3xx', 200, 200, 304 } }", "health.status", { 200, "3xx", 599 } },
        { "health = { type = 'http', status = { '5xx', '2xx', '4xx', '3xx' } }", "health.status",
          { "2xx", "3xx", "4xx", "5xx" } },
      }
      for _, case in ipairs(lists) do
        local returned, path, printed = unpack(case)
        it(path .. " of " .. returned, function()
          assert.same(printed, settings.at(settings.of("return { choose = function() end, " .. returned .. " }"), path))
        end)
      end
    end)

    describe("a page", function()
      local pages = { -- what it is set to, its type and its body
        { "'out for lunch'", "text/plain; charset=utf-8", "out for lunch" },
        { "''", "text/plain; charset=utf-8", "" },
        { "'  \\n<h1>Out for lunch</h1>'", "text/html; charset=utf-8", "  \n<h1>Out for lunch</h1>" },
        { "'{ \"out\": true }'", "application/json; charset=utf-8", '{ "out": true }' },
        { "'[ 1 ]'", "application/json; charset=utf-8", "[ 1 ]" },
        { "'a\\0\\1\\0012\\127\\\\\\r\\n\\233\"'", "text/plain; charset=utf-8", 'a\0\1\0012\127\\\r\n\233"' },
        { "('x'):rep(65536)", "text/plain; charset=utf-8", ("x"):rep(65536) },
        { "{ body = '<p>' }", "text/html; charset=utf-8", "<p>" },
        { "{ body = '<p>', type = 'text/plain' }", "text/plain", "<p>" },
        { "{ body = '', type = 'application/problem+json; v=\"1\"' }", 'application/problem+json; v="1"', "" },
      }
      for _, case in ipairs(pages) do
        local set, media, body = unpack(case)
        it("of " .. set, function()
          local read = settings.of(("return { backends = 'a:1', pages = { [503] = %s, [400] = 'x', [599] = 'y' } }")
            :format(set)).pages
          assert.same({ type = media, body = body }, read[503])
          assert.same("x", read[400].body)
          assert.same("y", read[599].body)
        end)
      end
    end)

    it("headers of a page, and of all pages", function()
      local pages = settings.of([[return { backends = 'a:1', pages = {
        [503] = { body = 'x', headers = { B = " 1\t", a = "\195\188", ["X-C"] = "" } },
        [429] = { headers = { ["Server"] = "s", Date = "d" } },
        headers = { ["Access-Control-Allow-Origin"] = "*" },
      } }]]).pages
      assert.same({ B = "1", a = "\195\188", ["X-C"] = "" }, pages[503].headers)
      assert.same({ headers = { Server = "s", Date = "d" } }, pages[429])
      assert.same({ ["Access-Control-Allow-Origin"] = "*" }, pages.headers)
      local many = {}
      for i = 1, 32 do many[i] = ("A%d = '%s'"):format(i, ("x"):rep(100)) end
      many = settings.of("return { backends = 'a:1', pages = { headers = { " .. table.concat(many, ", ") .. " } } }")
      assert.equal(("x"):rep(100), many.pages.headers.A32)
    end)

    it("no header of a page twice, in two letter cases", function()
      local _, said = settings.printed "return { backends = 'a:1', pages = { headers = { AB = '1', Ab = '2' } } }"
      assert.truthy(said:find "^balancer.lua:1: pages.headers.A[Bb]: it is there twice, in two letter cases$", said)
    end)

    it("as many workers as there are CPUs", function()
      local printed = assert(settings.printed "return { backends = 'a:1' }")
      local line = ('workers = "auto", -- %d here'):format(core.config_cpus())
      assert.truthy(printed:find(line, 1, true))
      assert.is_true(core.config_cpus() >= 1)
    end)

    it("four thousand and ninety-six backends, and no more", function()
      local source = "local t = {} for i = 1, %d do t[i] = 'h' .. i .. ':1' end return { backends = t }"
      assert.equal("h4096:1", settings.of(source:format(4096)).backends[4096].name)
      assert.same({ nil, "balancer.lua:1: backends: expected 4096 elements at most, got 4097" },
        { settings.printed(source:format(4097)) })
    end)

    it("the same when what was printed is loaded again", function()
      local printed = assert(settings.printed [[
        return {
          listen = ":80, 127.0.0.1:81", workers = 3, fallback = "fail",
          backends = { "unix:/a", { address = "b:1", name = "\\ \"", weight = 2, tags = { x = "1" } } },
          trusted_proxies = { "10.0.0.0/8", "::ffff:192.0.2.1", "2001:db8::1", "::/0", "0.0.0.0/0" }, forwarded = true,
          trace = true, via = false, reuse = "all",
          pages = { [503] = "a\n\0001\127\"\\", [404] = { type = "text/x; a=\"b\"", body = "" },
            [429] = { headers = { ["X-B"] = "\"\\", ["X-A"] = "1" } }, headers = { D = "4", C = "3", B = "2" } },
          health = {
            interval = 0.123, type = "http", path = "/\"\\", host = "x:1", status = { "2xx", 404 },
          },
          limits = { retry_budget = 0.05 }, body_first = "always",
          log = { file = "/a \"b\\", format = "json", headers = { "A" }, host = true, skip = { '/"\\' } },
        }]])
      assert.equal(printed, settings.printed(printed))
    end)

    it("with functions of the sandbox in the script", function()
      local script = [[
        local turn = lb.counter "turn"
        return {
          backends = os.getenv "SURELY_NOT_SET" or "a:1",
          init = function() end, choose = function(ctx, b) return b[turn:next(#b)] end, on_failure = function() end,
        }]]
      assert.truthy(assert(settings.printed(script)):find "choose: the script's")
    end)
  end)

  describe("give way", function()
    local script = "return { listen = ':1', backends = 'a:1', workers = 1 }"

    it("to the listen addresses that are given instead", function()
      local given = settings.overridden { listen = { "127.0.0.1:5", ":6,[::1]:7" }, listen_source = "--listen" }
      assert.same({ "127.0.0.1:5", ":6", "[::1]:7" }, settings.of(script, given).listen)
    end)

    it("to https:// before an address, which has TLS, and http://, which has not", function()
      local with_tls = "return { listen = ':1', tls = { certificates = 'a.pem' }, backends = 'a:1' }"
      local given = settings.overridden { listen = { "https://:443,:80", "\n  HTTPS://[::1]:7,\n  http://:8\n" },
        listen_source = "LISTEN" }
      local seen = settings.of(with_tls, given)
      assert.same({ { ":443", tls = true }, ":80", { "[::1]:7", tls = true }, ":8" }, seen.listen)
      assert.same({ "a.pem" }, seen.tls.certificates)
      assert.same({ nil, "balancer.lua:1: https:// in LISTEN needs certificates: " ..
        'tls = { certificates = { "/etc/lb/*.pem" } }' }, { settings.printed(script, given) })
    end)

    it("to h2c:// before an address, which takes HTTP/2", function()
      local given = settings.overridden { listen = { "h2c://:80,:81" }, listen_source = "LISTEN" }
      assert.same({ { ":80", h2c = true }, ":81" }, settings.of(script, given).listen)
    end)

    it("to the backends that are given instead", function()
      local given = settings.overridden { backends = { "x:1", "y:2,z:3" }, backends_source = "BACKENDS" }
      local backends = settings.of(script, given).backends
      assert.same({ "x:1", "y:2", "z:3" }, { backends[1].name, backends[2].name, backends[3].name })
      assert.equal(3, #backends)
    end)

    it("to the number of workers that is given instead", function()
      assert.equal(7, settings.of(script, (settings.overridden { workers = "7" })).workers)
      assert.equal("auto", settings.of(script, (settings.overridden { workers = "auto" })).workers)
    end)

    it("even if the script's own are missing or wrong", function()
      local given, held = settings.overridden { listen = { ":1" }, backends = { "b:1" }, workers = "2" }
      assert.equal("b:1", settings.of("return {}", given).backends[1].name)
      assert.equal(2, settings.of("return { listen = 1, backends = 1, workers = 'x' }", given).workers)
      assert.is_table(held)
    end)

    local wrong = {
      { { listen = { "nonsense" }, listen_source = "LISTEN" },
        "LISTEN: 'nonsense': the port is missing: expected host:port" },
      { { listen = { "3030" }, listen_source = "--listen" },
        "--listen: '3030' is a port alone: write ':3030' for all addresses" },
      { { listen = { "https://443" }, listen_source = "--listen" },
        "--listen: '443' is a port alone: write ':443' for all addresses" },
      { { listen = { ":1", ":1" }, listen_source = "--listen" }, "--listen: ':1': listed twice" },
      { { backends = { "a:1", "b" }, backends_source = "--backend" },
        "--backend: 'b': the port is missing: expected host:port" },
      { { backends = { "a:1,a:1" }, backends_source = "BACKENDS" },
        "BACKENDS: two backends are called 'a:1': give them different names" },
      { { workers = "0", workers_source = "--workers" }, "--workers: expected 'auto' or 1 to 256, got '0'" },
      { { workers = "257", workers_source = "WORKERS" }, "WORKERS: expected 'auto' or 1 to 256, got '257'" },
      { { workers = "-1", workers_source = "WORKERS" }, "WORKERS: expected 'auto' or 1 to 256, got '-1'" },
      { { workers = "2.0", workers_source = "WORKERS" }, "WORKERS: expected 'auto' or 1 to 256, got '2.0'" },
    }
    for _, case in ipairs(wrong) do
      local given, message = unpack(case)
      it("but say where they are wrong: " .. message, function()
        local overrides, held = settings.overridden(given)
        assert.same({ nil, message }, { settings.printed(script, overrides) })
        assert.is_table(held)
      end)
    end
  end)

  describe("come from a file", function()
    local path

    before_each(function() path = os.tmpname() end)
    after_each(function() os.remove(path) end)

    local function write(text)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end

    it("whose name is shown as it was given", function()
      write "return {\n chose = 1 }"
      assert.same({ nil, path .. ":2: unknown field 'chose', did you mean 'choose'?" },
        { settings.printed_file(path) })
    end)

    it("whose long name is shown whole, in errors of Lua too", function()
      local name = "a/folder/" .. ("x"):rep(100) .. "/balancer.lua"
      assert.same({ nil, name .. ":2: oh" }, { settings.printed("\nerror 'oh'", nil, name) })
      assert.same({ nil, name .. ":1: unexpected symbol near '!'" }, { settings.printed("!", nil, name) })
    end)

    it("unless it is not there", function()
      assert.same({ nil, "nowhere.lua: cannot read the script: No such file or directory" },
        { settings.printed_file "nowhere.lua" })
    end)

    it("unless it is a folder", function()
      assert.same({ nil, "/tmp: cannot read the script: Is a directory" }, { settings.printed_file "/tmp" })
    end)

    it("unless it is too large", function()
      write(("-"):rep(4 * 2 ^ 20 + 1))
      assert.same({ nil, path .. ": a script has 4 MiB at most" }, { settings.printed_file(path) })
    end)
  end)
end)
