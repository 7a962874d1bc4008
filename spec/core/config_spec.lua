local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct overrides_seen {
  const char **listen; unsigned listen_count;
  const char **backends; unsigned backends_count;
  const char *workers;
  const char *log_format, *listen_source, *backends_source, *workers_source, *log_format_source;
};
struct config *config_load_text(const char *name, struct slice source, const struct overrides_seen *,
                                struct segment *, struct buffer *error);
struct config *config_load_file(const char *path, const struct overrides_seen *, struct segment *,
                                struct buffer *error);
void config_print(const struct config *, struct buffer *);
void config_free(struct config *);
unsigned config_cpus(void);
]]

local function taken(buffer)
  local text = buffer.bytes ~= nil
    and ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start)) or ""
  core.buffer_dispose(buffer)
  return text
end

-- What was loaded, printed, which is a script itself.
local function outcome(config, err)
  if config == nil then return nil, taken(err) end
  assert.equal("", taken(err))
  local out = ffi.new "struct buffer"
  core.config_print(config, out)
  core.config_free(config)
  return taken(out)
end

describe("a script's settings", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  local function load_printed(source, overrides, name)
    local err = ffi.new "struct buffer"
    return outcome(core.config_load_text(name or "balancer.lua", ffi.new("struct slice", source, #source), overrides,
      segment, err), err)
  end

  local function settings(source, overrides)
    local printed = assert(load_printed(source, overrides))
    return assert(loadstring(printed))()
  end

  -- given: listen, backends (lists), workers, and where they come from
  local function overridden(given)
    local overrides = ffi.new "struct overrides_seen"
    local lists = { overrides }
    for _, name in ipairs { "listen", "backends" } do
      if given[name] then
        local list = ffi.new("const char *[?]", #given[name], given[name])
        lists[#lists + 1] = list
        overrides[name], overrides[name .. "_count"] = list, #given[name]
        overrides[name .. "_source"] = given[name .. "_source"]
      end
    end
    overrides.workers, overrides.workers_source = given.workers, given.workers_source
    return overrides, lists -- held, as C borrows them
  end

  -- "health.interval" in the tables of settings
  local function at(tables, path)
    for name in path:gmatch "[^.]+" do tables = tables[tonumber(name) or name] end
    return tables
  end

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
      it(path, function() assert.equal(value, at(settings "return { backends = 'a:1' }", path)) end)
    end
  end)

  describe("are in effect:", function()
    local cases = { -- what the script returns, path, value
      { "listen = '127.0.0.1:80, [::1]:81'", "listen.2", "[::1]:81" },
      { "listen = { '127.0.0.1:80', ':81' }", "listen.2", ":81" },
      { "listen = ' :3030 '", "listen.1", ":3030" },
      { "listen = { ':80', { ' :81 ' } }", "listen.2", ":81" },
      { "listen = { ':80', { ':81', proxy = false } }", "listen.2", ":81" },
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
        assert.equal(value, at(settings("return { choose = function() end, " .. returned .. " }"), path))
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
          assert.equal(value, settings(text:format "").fallback)
          assert.equal("round_robin", settings(text:format "fallback = 'round_robin', ").fallback)
          assert.equal("fail", settings(text:format "fallback = 'fail', ").fallback)
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
          assert.same(printed, at(settings("return { choose = function() end, " .. returned .. " }"), path))
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
          local read = settings(("return { backends = 'a:1', pages = { [503] = %s, [400] = 'x', [599] = 'y' } }")
            :format(set)).pages
          assert.same({ type = media, body = body }, read[503])
          assert.same("x", read[400].body)
          assert.same("y", read[599].body)
        end)
      end
    end)

    it("headers of a page, and of all pages", function()
      local pages = settings([[return { backends = 'a:1', pages = {
        [503] = { body = 'x', headers = { B = " 1\t", a = "\195\188", ["X-C"] = "" } },
        [429] = { headers = { ["Server"] = "s", Date = "d" } },
        headers = { ["Access-Control-Allow-Origin"] = "*" },
      } }]]).pages
      assert.same({ B = "1", a = "\195\188", ["X-C"] = "" }, pages[503].headers)
      assert.same({ headers = { Server = "s", Date = "d" } }, pages[429])
      assert.same({ ["Access-Control-Allow-Origin"] = "*" }, pages.headers)
      local many = {}
      for i = 1, 32 do many[i] = ("A%d = '%s'"):format(i, ("x"):rep(100)) end
      many = settings("return { backends = 'a:1', pages = { headers = { " .. table.concat(many, ", ") .. " } } }")
      assert.equal(("x"):rep(100), many.pages.headers.A32)
    end)

    it("no header of a page twice, in two letter cases", function()
      local _, said = load_printed "return { backends = 'a:1', pages = { headers = { AB = '1', Ab = '2' } } }"
      assert.truthy(said:find "^balancer.lua:1: pages.headers.A[Bb]: it is there twice, in two letter cases$", said)
    end)

    it("as many workers as there are CPUs", function()
      local printed = assert(load_printed "return { backends = 'a:1' }")
      assert.truthy(printed:find(('workers = "auto", -- %d here'):format(core.config_cpus()), 1, true))
      assert.is_true(core.config_cpus() >= 1)
    end)

    it("four thousand and ninety-six backends, and no more", function()
      local source = "local t = {} for i = 1, %d do t[i] = 'h' .. i .. ':1' end return { backends = t }"
      assert.equal("h4096:1", settings(source:format(4096)).backends[4096].name)
      assert.same({ nil, "balancer.lua:1: backends: expected 4096 elements at most, got 4097" },
        { load_printed(source:format(4097)) })
    end)

    it("the same when what was printed is loaded again", function()
      local printed = assert(load_printed [[
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
      assert.equal(printed, load_printed(printed))
    end)

    it("with functions of the sandbox in the script", function()
      local script = [[
        local turn = lb.counter "turn"
        return {
          backends = os.getenv "SURELY_NOT_SET" or "a:1",
          init = function() end, choose = function(ctx, b) return b[turn:next(#b)] end, on_failure = function() end,
        }]]
      assert.truthy(assert(load_printed(script)):find "choose: the script's")
    end)
  end)

  describe("are refused with their line:", function()
    local SECONDS = "expected a number from 0.001 to 86400 (seconds)"
    local NETWORK = "expected an address or a network, as in 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32"
    local PAGE_KEY = 'expected a status from 400 to 599, or headers, as key, as in [503] = "text"'
    local MEDIA_TYPE = 'expected a media type of 255 bytes at most, as in "application/json"'
    local OURS = "it is set by lb itself"
    local MANY_HEADERS = "expected 32 headers and 4096 bytes of them at most"
    local BY_HTTP = 'only a check by HTTP has it: set type = "http"'
    local PATH = 'expected a path such as "/healthz": it begins with "/" and has no spaces, no "#" and nothing ' ..
      "beyond ASCII"
    local STATUS = 'expected a status from 200 to 599, or all of a kind, as in "2xx"'
    local cases = { -- script, message without "balancer.lua"
      -- what the script returns
      { "", ": expected the script to return a table of settings, got nothing: end it with return { ... }" },
      { "return 7", ": expected the script to return a table of settings, got number: end it with return { ... }" },
      { "return function() end",
        ": expected the script to return a table of settings, got function: end it with return { ... }" },
      { "\nreturn {}", ':2: no backends: set backends = "host:port, host:port", or use --backend' },
      { "return { backends = '' }", ":1: backends: expected host:port, found nothing" },
      { "return { backends = {} }", ':1: no backends: set backends = "host:port, host:port", or use --backend' },

      -- names
      { "return {\n  backends = 'a:1',\n  chose = function() end,\n}",
        ":3: unknown field 'chose', did you mean 'choose'?" },
      { "return { backends = 'a:1',\n bakends = 'b:1' }", ":2: unknown field 'bakends', did you mean 'backends'?" },
      { "return { backends = 'a:1',\n on_complete = print }",
        ":2: unknown field 'on_complete': there is on_failure, on_response, on_health, on_done" },
      { "return { backends = 'a:1',\n script = { budget = 5 } }",
        ":2: script: unknown field 'budget', did you mean 'budget_ms'?" },
      { "return { backend = 'a:1' }", ":1: unknown field 'backend', did you mean 'backends'?" },
      { "return { Listen = ':80' }", ":1: unknown field 'Listen', did you mean 'listen'?" },
      { "return { on_fialure = 1 }", ":1: unknown field 'on_fialure', did you mean 'on_failure'?" },
      { "return { on_respnse = 1 }", ":1: unknown field 'on_respnse', did you mean 'on_response'?" },
      { "return { quite_another_thing = 1 }", ":1: unknown field 'quite_another_thing'" },
      { "return { ['listen\\0x'] = ':80' }", ":1: unknown field 'listen\\x00x', did you mean 'listen'?" },
      { "return { health = { ['rise\\0'] = 4 } }", ":1: health: unknown field 'rise\\x00', did you mean 'rise'?" },
      { "return {\n health = {\n  intervall = 1 } }",
        ":3: health: unknown field 'intervall', did you mean 'interval'?" },
      { "return { timeouts = {\n conect = 1 } }", ":2: timeouts: unknown field 'conect', did you mean 'connect'?" },
      { "return { timeouts = {\n type = 1 } }", ":2: timeouts: unknown field 'type'" },
      { "return { backends = { 'a:1',\n { adress = 'b:1' } } }",
        ":2: backends[2]: unknown field 'adress', did you mean 'address'?" },
      { "return { backends = {\n { 'a:1', weight = 2 } } }",
        ":2: backends[1][1]: expected a name in front of the value, as in address = ..." },
      { "return { backends = {\n { server = 'a:1' } } }",
        ":2: backends[1]: unknown field 'server': there is address, name, weight, tags, max_in_flight" },
      { "return { listen = {\n { ':80', accept = true } } }", ":2: listen[1]: unknown field 'accept': there is proxy" },
      { "return {\n upstream = { 'a:1' } }",
        ':2: upstream: this is no setting of lb: write backends = { "host:port", .. }' },
      { "return { backends = 'a:1',\n tls = {} }", ":2: tls: this is no setting of lb: lb has no TLS: " ..
        "put a proxy that has it in front, and name it in trusted_proxies" },
      { "return { 'a:1',\n listen = ':80' }", ":1: [1]: expected a name in front of the value, as in listen = ..." },
      { "return { [true] = 1 }", ":1: expected names as keys, got a boolean" },
      { "return { [0.5] = 1 }", ":1: expected a name in front of the value, as in listen = ..." },
      { "return { ['new\\nline'] = 1 }", ":1: unknown field 'new\\nline'" },
      { "return { on_done = 1 }", ":1: on_done: expected a function, got a number" },
      { "return { on_health = 1 }", ":1: on_health: expected a function, got a number" },
      { "return { health = {\n panic = 1.5 } }", ":2: health.panic: expected a number from 0 to 1, got 1.5" },
      { "return { health = { slow_start = -1 } }",
        ":1: health.slow_start: expected 0 or a number from 0.001 to 86400 (seconds), got -1" },
      { "return { health = { type = 'udp' } }", ":1: health.type: expected 'tcp' or 'http', got 'udp'" },
      { "return { health = {\n check = 5 } }", ":2: health.check: expected a function, got a number" },
      { "return { health = {\n type = 'http',\n check = function() end } }",
        ":2: health.type: a check of the script's own has no type" },
      { "return { limits = { memory = 1000000 } }",
        ":1: limits.memory: expected 0 or a whole number from 16777216 to 1099511627776, got 1000000" },
      { "return { limits = { per_client = 0.5 } }",
        ":1: limits.per_client: expected 0 or a whole number from 1 to 10000000, got 0.5" },

      { "return { trusted_proxys = {} }", ":1: unknown field 'trusted_proxys', did you mean 'trusted_proxies'?" },
      { "return { page = {} }", ":1: unknown field 'page', did you mean 'pages'?" },
      { "return { forward = true }", ":1: unknown field 'forward', did you mean 'forwarded'?" },
      { "return { health = {\n paht = '/' } }", ":2: health: unknown field 'paht', did you mean 'path'?" },
      { "return { timeouts = { tunel = 1 } }", ":1: timeouts: unknown field 'tunel', did you mean 'tunnel'?" },

      -- trusted proxies, Forwarded
      { "return {\n trusted_proxies = 7 }",
        ":2: trusted_proxies: expected an address, a network or a list of them, got a number" },
      { "return { trusted_proxies = '10.0.0.1,' }", ":1: trusted_proxies: " .. NETWORK },
      { "return { trusted_proxies = { '::1',\n 'unix' } }", ":2: trusted_proxies[2]: 'unix': " .. NETWORK },
      { "return { trusted_proxies = 'proxy.example' }", ":1: trusted_proxies: 'proxy.example': " .. NETWORK },
      { "return { trusted_proxies = { '10.0.0.0/33' } }",
        ":1: trusted_proxies[1]: '10.0.0.0/33': expected a prefix from 0 to 32 behind the slash" },
      { "return { trusted_proxies = { 7 } }", ":1: trusted_proxies[1]: expected a string, got a number" },
      { "return { trusted_proxies = { net = '::1' } }",
        ":1: trusted_proxies: expected a list, got the name 'net' in it" },
      { "return { reuse = 'never' }", ":1: reuse: expected 'safe' or 'all', got 'never'" },
      { "return { trace = 'yes' }", ":1: trace: expected true or false, got a string" },
      { "return { forwarded = 'yes' }", ":1: forwarded: expected true or false, got a string" },
      { "return {\n forwarded = 1 }", ":2: forwarded: expected true or false, got a number" },

      { "return {\n body_first = 'first' }", ":2: body_first: expected 'never', 'limited' or 'always', got 'first'" },
      { "return { body_first = true }", ":1: body_first: expected 'never', 'limited' or 'always', got a boolean" },

      -- the log
      { "return {\n log = 'x' }", ":2: log: expected a table, got a string" },
      { "return { log = {\n fromat = 'json' } }", ":2: log: unknown field 'fromat', did you mean 'format'?" },
      { "return { log = { format = 'xml' } }", ":1: log.format: expected 'text' or 'json', got 'xml'" },
      { "return { log = {\n file = '' } }", ":2: log.file: expected the path of a file" },
      { "return { log = { file = 7 } }", ":1: log.file: expected a string, got a number" },
      { "return { log = { file = '/var/log/' } }",
        ":1: log.file: expected the path of a file, got that of a folder" },
      { "return { log = { file = '~/x' } }",
        ":1: log.file: only a shell knows what '~' is: write the whole path" },
      { "return { log = { file = 'a\\0b' } }", ":1: log.file: a path has no NUL byte in it" },
      { "return { log = { host = 1 } }", ":1: log.host: expected true or false, got a number" },
      { "return { log = { headers = 7 } }",
        ":1: log.headers: expected the name of a header field or a list of them, got a number" },
      { "return { log = { headers = { 'a',\n 'b:' } } }", ":2: log.headers[2]: expected the name of a header field, " ..
        'as in "user-agent", got \'b:\'' },
      { "return { log = { headers = { 'A', 'a' } } }", ":1: log.headers[2]: 'a' is there twice" },
      { "return { log = { headers = 'a, b' } }",
        ':1: log.headers: expected the name of a header field, as in "user-agent", got \'a, b\'' },
      { "local t = {} for i = 1, 17 do t[i] = 'x' .. i end return { log = { headers = t } }",
        ":1: log.headers: expected 16 elements at most, got 17" },
      { "return { log = { skip = true } }", ":1: log.skip: expected a path or a list of them, got a boolean" },
      { "return { log = { skip = { '/a',\n 'healthz' } } }",
        ":2: log.skip[2]: expected a path that begins with '/', as in \"/healthz\"" },
      { "return { log = { skip = { '/static/*' } } }", ":1: log.skip[1]: '*' is no wildcard: a path that ends with " ..
        "'/', as \"/static/\", is all below it" },
      { "return { log = { skip = { '/a?b' } } }", ":1: log.skip[1]: expected a path as clients send it: without " ..
        "spaces, a query, '#' and what is beyond ASCII" },

      -- pages
      { "return {\n pages = 'x' }", ":2: pages: expected a table, got a string" },
      { "return { pages = {\n [200] = 'x' } }", ":2: pages[200]: " .. PAGE_KEY .. ", got 200" },
      { "return { pages = { [600] = 'x' } }", ":1: pages[600]: " .. PAGE_KEY .. ", got 600" },
      { "return { pages = { 'x' } }", ":1: pages[1]: " .. PAGE_KEY .. ", got 1" },
      { "return { pages = { [503.5] = 'x' } }", ":1: pages: " .. PAGE_KEY .. ", got 503.5" },
      { "return { pages = { [-503] = 'x' } }", ":1: pages: " .. PAGE_KEY .. ", got -503" },
      { "return { pages = { ['503'] = 'x' } }", ":1: pages: " .. PAGE_KEY .. ", got the name '503'" },
      { "return { pages = { [true] = 'x' } }", ":1: pages: " .. PAGE_KEY .. ", got a boolean" },
      { "return { pages = { [404] = 'x',\n [503] = 1 } }",
        ":2: pages[503]: expected a text, or a table with a type, a body and headers, got a number" },
      { "return { pages = { [503] = {\n headers = 'x' } } }",
        ":2: pages[503].headers: expected a table, got a string" },
      { "return { pages = { headers = {\n A = 1 } } }", ":2: pages.headers.A: expected a string, got a number" },
      { "return { pages = { headers = {\n 'x' } } }",
        ':1: pages.headers: expected names and strings, as in { zone = "a" }' },
      { "return { pages = { headers = {\n ['a b'] = 'x' } } }", ":2: pages.headers.a b: this is no header's name" },
      { "return { pages = { headers = {\n A = 'b\\r\\nC: d' } } }",
        ":2: pages.headers.A: a line end or another control byte in it" },
      { "return { pages = { [503] = { headers = {\n Connection = 'close' } } } }",
        ":2: pages[503].headers.Connection: " .. OURS },
      { "return { pages = { headers = {\n ['content-LENGTH'] = '0' } } }",
        ":2: pages.headers.content-LENGTH: " .. OURS },
      { "return { pages = { headers = { ['Transfer-Encoding'] = 'x' } } }",
        ":1: pages.headers.Transfer-Encoding: " .. OURS },
      { "return { pages = { headers = { Upgrade = 'h2c' } } }", ":1: pages.headers.Upgrade: " .. OURS },
      { "return { pages = { headers = { Trailer = 'a' } } }", ":1: pages.headers.Trailer: " .. OURS },
      { "return { pages = { headers = { ['Content-Type'] = 'a/b' } } }", ":1: pages.headers.Content-Type: the type " ..
        'of a page is a field of its own, as in { type = "text/html", body = .. }' },
      { "local t = {} for i = 1, 33 do t['A' .. i] = 'x' end\nreturn { pages = { headers = t } }",
        ":2: pages.headers: " .. MANY_HEADERS },
      { "return { pages = { headers = { A = ('x'):rep(4096) } } }", ":1: pages.headers: " .. MANY_HEADERS },
      { "return { pages = { [503] = { type = 'a/b', headers = { A = 'b' } } } }",
        ':1: pages[503]: the body is missing: body = "text"' },
      { "return { pages = { [503] = ('x'):rep(65537) } }", ":1: pages[503]: expected 65536 bytes at most, got 65537" },
      { "return { pages = { [503] = {\n body = ('x'):rep(65537) } } }",
        ":2: pages[503].body: expected 65536 bytes at most, got 65537" },
      { "return { pages = { [503] = { } } }", ':1: pages[503]: the body is missing: body = "text"' },
      { "return { pages = { [503] = { type = 'a/b' } } }", ':1: pages[503]: the body is missing: body = "text"' },
      { "return { pages = { [503] = { bdy = 'x' } } }", ":1: pages[503]: unknown field 'bdy', did you mean 'body'?" },
      { "return { pages = { [503] = { body = 1 } } }", ":1: pages[503].body: expected a string, got a number" },
      { "return { pages = { [503] = { body = 'x',\n type = 1 } } }",
        ":2: pages[503].type: expected a string, got a number" },
      { "return { pages = { [503] = { body = 'x', type = '' } } }", ":1: pages[503].type: " .. MEDIA_TYPE },
      { "return { pages = { [503] = { body = 'x', type = 'html' } } }", ":1: pages[503].type: " .. MEDIA_TYPE },
      { "return { pages = { [503] = { body = 'x', type = ' text/html' } } }", ":1: pages[503].type: " .. MEDIA_TYPE },
      { "return { pages = { [503] = { body = 'x', type = 'text/html\\r\\nX: y' } } }",
        ":1: pages[503].type: " .. MEDIA_TYPE },
      { "return { pages = { [503] = { body = 'x', type = 'text/html\\0' } } }", ":1: pages[503].type: " .. MEDIA_TYPE },
      { "return { pages = { [503] = { body = 'x', type = 'text/' .. ('h'):rep(251) } } }",
        ":1: pages[503].type: " .. MEDIA_TYPE },

      -- checks by HTTP
      { "return { health = {\n path = '/' } }", ":2: health.path: " .. BY_HTTP },
      { "return { health = { host = 'x' } }", ":1: health.host: " .. BY_HTTP },
      { "return { health = { type = 'tcp',\n status = 200 } }", ":2: health.status: " .. BY_HTTP },
      { "return { health = { type = 'http',\n path = 'up' } }", ":2: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '*' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = 'http://x/' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/a b' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/#a' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/a\\r\\nb' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/a\\0' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/\\195\\164' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/\\127' } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = '/' .. ('x'):rep(2048) } }", ":1: health.path: " .. PATH },
      { "return { health = { type = 'http', path = 1 } }", ":1: health.path: expected a string, got a number" },
      { "return { health = { type = 'http',\n host = 'a b' } }",
        ":2: health.host: expected host, host:port or [v6]:port, got 'a b'" },
      { "return { health = { type = 'http', host = '' } }",
        ":1: health.host: expected host, host:port or [v6]:port, got ''" },
      { "return { health = { type = 'http', host = 'a\\r\\nX: y' } }",
        ":1: health.host: expected host, host:port or [v6]:port, got 'a\\x0d\\nX: y'" },
      { "return { health = { type = 'http', host = 'http://a' } }",
        ":1: health.host: expected host, host:port or [v6]:port, got 'http://a'" },
      { "return { health = { type = 'http',\n status = 199 } }",
        ":2: health.status: expected a whole number from 200 to 599, got 199" },
      { "return { health = { type = 'http', status = 200.5 } }",
        ":1: health.status: expected a whole number from 200 to 599, got 200.5" },
      { "return { health = { type = 'http', status = '1xx' } }", ":1: health.status: " .. STATUS .. ", got '1xx'" },
      { "return { health = { type = 'http', status = '20x' } }", ":1: health.status: " .. STATUS .. ", got '20x'" },
      { "return { health = { type = 'http', status = '' } }", ":1: health.status: " .. STATUS .. ", got ''" },
      { "return { health = { type = 'http', status = '2000' } }", ":1: health.status: " .. STATUS .. ", got '2000'" },
      { "return { health = { type = 'http', status = true } }", ":1: health.status: " .. STATUS .. ", got a boolean" },
      { "return { health = { type = 'http', status = {} } }",
        ":1: health.status: expected one status at least: no check could succeed" },
      { "return { health = { type = 'http', status = { 200,\n '6xx' } } }",
        ":2: health.status[2]: " .. STATUS .. ", got '6xx'" },
      { "return { health = { type = 'http', status = { ok = 200 } } }",
        ":1: health.status: expected a list, got the name 'ok' in it" },

      -- hooks
      { "return { backends = 'a:1',\n choose = 'round_robin' }", ":2: choose: expected a function, got a string" },
      { "return { backends = 'a:1',\n\n init = {} }", ":3: init: expected a function, got a table" },
      { "return { backends = 'a:1', on_failure = true }", ":1: on_failure: expected a function, got a boolean" },

      -- numbers
      { "return { health = { interval =\n 'x' } }", ":1: health.interval: " .. SECONDS .. ", got a string" },
      { "return { health = {\n interval = -1 } }", ":2: health.interval: " .. SECONDS .. ", got -1" },
      { "return { health = { timeout = 0 } }", ":1: health.timeout: " .. SECONDS .. ", got 0" },
      { "return { timeouts = { connect = 1 / 0 } }", ":1: timeouts.connect: " .. SECONDS .. ", got inf" },
      { "return { timeouts = { connect = 0 / 0 } }", ":1: timeouts.connect: " .. SECONDS .. ", got nan" },
      { "return { timeouts = { keep_alive = 1e9 } }", ":1: timeouts.keep_alive: " .. SECONDS .. ", got 1000000000" },
      { "return { timeouts = { request = -1 } }",
        ":1: timeouts.request: expected 0 or a number from 0.001 to 86400 (seconds), got -1" },
      { "return { health = { eject_for = 301 } }",
        ":1: health.eject_for: expected a number from 0.001 to 300 (seconds), got 301" },
      { "return { health = { fall = 0 } }", ":1: health.fall: expected a whole number from 1 to 100, got 0" },
      { "return { health = { rise = 1.5 } }", ":1: health.rise: expected a whole number from 1 to 100, got 1.5" },
      { "return { health = { rise = '1' } }", ":1: health.rise: expected a whole number from 1 to 100, got a string" },
      { "return { limits = { attempts = 101 } }",
        ":1: limits.attempts: expected a whole number from 1 to 100, got 101" },
      { "return { limits = { retry_budget = 20 } }", ":1: limits.retry_budget: expected a number from 0 to 1, got 20" },
      { "return { limits = {\n request_line = 9000, head = 8000 } }",
        ":2: limits.request_line: expected limits.head (8000) at most, got 9000" },
      { "return { script = { memory = 1000 } }",
        ":1: script.memory: expected 0 or a whole number from 1048576 to 68719476736, got 1000" },
      { "return { workers = 0 }", ":1: workers: expected 'auto' or a whole number from 1 to 256, got 0" },
      { "return { workers = 2.5 }", ":1: workers: expected 'auto' or a whole number from 1 to 256, got 2.5" },
      { "return { workers = -1e18 }", ":1: workers: expected 'auto' or a whole number from 1 to 256, got -1e+18" },
      { "return { workers = 'many' }", ":1: workers: expected 'auto' or 1 to 256, got 'many'" },
      { "return { workers = {} }", ":1: workers: expected 'auto' or a whole number, got a table" },
      { "return { fallback = 'random' }", ":1: fallback: expected 'round_robin' or 'fail', got 'random'" },
      { "return { fallback = 1 }", ":1: fallback: expected 'round_robin' or 'fail', got a number" },
      { "return {\n\n timeouts = 5 }", ":3: timeouts: expected a table, got a number" },

      -- listen
      { "return {\n listen = 3030 }",
        ':2: listen: expected an address, as in ":3030", or a list of addresses, got a number' },
      { "return {\n listen = true }", ":2: listen: expected an address or a list of addresses, got a boolean" },
      { "return { listen = {\n '3030' } }", ":2: listen[1]: '3030' is a port alone: write ':3030' for all addresses" },
      { "return {\n listen = { ':80', proxy = true } }",
        ':2: listen: an address with options is a table in the list: { { ":80", proxy = true } }' },
      { "return { listen = {\n { proxy = true } } }",
        ':2: listen[1]: the address is missing: { ":80", proxy = true }' },
      { "return { listen = { ':79',\n { ':80', prxy = true } } }",
        ":2: listen[2]: unknown field 'prxy', did you mean 'proxy'?" },
      { "return { listen = {\n { ':80', proxy = 'yes' } } }",
        ":2: listen[1].proxy: expected true or false, got a string" },
      { "return { listen = {\n { ':80', ':81', proxy = true } } }",
        ":2: listen[1][2]: expected a name in front of the value, as in proxy = ..." },
      { "return { listen = {\n { 'nonsense', proxy = true } } }",
        ":2: listen[1][1]: 'nonsense': the port is missing: expected host:port" },
      { "return { listen = {\n { 80 } } }", ":2: listen[1][1]: expected a string, got a number" },
      { "return { backends = 'a:1',\n listen = { { ':80', proxy = true } } }", ":2: listen: proxy = true needs the " ..
        'addresses whose PROXY headers are believed: trusted_proxies = { "10.0.0.0/8" }' },
      { "return { backends = 'a:1', trusted_proxies = '',\n listen = { { ':80', proxy = true } } }",
        ":2: listen: proxy = true needs the addresses whose PROXY headers are believed: " ..
        'trusted_proxies = { "10.0.0.0/8" }' },
      { "return {\n listen = 'nonsense' }", ":2: listen: 'nonsense': the port is missing: expected host:port" },
      { "return { listen = { ':80',\n ':80' } }", ":2: listen[2]: ':80': listed twice" },
      { "return { listen = { ':80',\n 80 } }",
        ':2: listen[2]: expected an address, as in ":3030", or a table with one, got a number' },
      { "return { listen = 'unix:/a' }",
        ":1: listen: 'unix:/a': listening on a unix socket is not available in this version" },
      { "return { listen = 'example.com:80' }",
        ":1: listen: 'example.com:80': cannot listen on a name: " ..
        "write an address of this machine, or :port for all of them" },
      { "return { listen = { address = ':80' } }", ":1: listen: expected a list, got the name 'address' in it" },

      -- backends
      { "return {\n backends = 9001 }", ":2: backends: expected addresses or a list of backends, got a number" },
      { "return {\n backends = 'a:1, b' }", ":2: backends: 'b': the port is missing: expected host:port" },
      { "return { backends = 'a:1,,b:1' }", ":1: backends: expected host:port, found nothing" },
      { "return { backends = 'a:1,' }", ":1: backends: expected host:port, found nothing" },
      { "return { backends = 'a:1, a:1' }",
        ":1: backends: two backends are called 'a:1': give them different names" },
      { "return { backends = {\n 'a:1',\n 'http://a:1',\n} }",
        ":3: backends[2]: two backends are called 'a:1': give them different names" },
      { "return { backends = {\n { address = 'a:1', name = 'x' },\n { address = 'b:1',\n   name = 'x' } } }",
        ":4: backends[2].name: two backends are called 'x': give them different names" },
      { "return { backends = {\n 'a:1', -- one\n 'b:0' } }",
        ":3: backends[2]: 'b:0': expected a port from 1 to 65535" },
      { "return { backends = {\n 'a:1',\n { address =\n 'b' } } }",
        ":3: backends[2].address: 'b': the port is missing: expected host:port" },
      { "return { backends = {\n { name = 'x' } } }",
        ':2: backends[1]: the address is missing: address = "host:port"' },
      { "return { backends = { address = 'a:1' } }",
        ":1: backends: expected a list of backends: { { address = ... } }" },
      { "return { backends = { one = 'a:1' } }", ":1: backends: expected a list, got the name 'one' in it" },
      { "return { backends = { 'a:1', nil, 'b:1' } }", ":1: backends: expected a list without gaps" },
      { "return { backends = { [2] = 'a:1' } }", ":1: backends: expected a list without gaps" },
      { "return { backends = { 'a:1',\n 7 } }",
        ":2: backends[2]: expected an address or a table with an address, got a number" },
      { "return { backends = { { address = 7 } } }", ":1: backends[1].address: expected a string, got a number" },
      { "return { backends = { { address = 'a:1', name = '' } } }",
        ":1: backends[1].name: expected a name, got an empty string" },
      { "return { backends = { { address = 'a:1', name = 'a\\nb' } } }",
        ":1: backends[1].name: a name has 255 bytes at most, and no control bytes" },
      { "return { backends = { { address = 'a:1',\n weight = -1 } } }",
        ":2: backends[1].weight: expected a whole number from 0 to 65535, got -1" },
      { "return { backends = { { address = 'a:1', weight = '1' } } }",
        ":1: backends[1].weight: expected a whole number from 0 to 65535, got a string" },
      { "return { backends = { { address = 'a:1', max_in_flight = 0.5 } } }",
        ":1: backends[1].max_in_flight: expected a whole number from 0 to 1000000, got 0.5" },
      { "return { backends = { { address = 'a:1', tags = 'x' } } }",
        ":1: backends[1].tags: expected a table, got a string" },
      { "return { backends = { { address = 'a:1', tags = { 'x' } } } }",
        ":1: backends[1].tags: expected names and strings, as in { zone = \"a\" }" },
      { "return { backends = { { address = 'a:1', tags = {\n zone = 1 } } } }",
        ":2: backends[1].tags.zone: expected a string, got a number" },
    }
    for _, case in ipairs(cases) do
      local script, message = unpack(case)
      it(("%q"):format(script), function()
        assert.same({ nil, "balancer.lua" .. message }, { load_printed(script) })
      end)
    end
  end)

  describe("are found in a script", function()
    local WRONG = "health.fall: expected a whole number from 1 to 100, got 0"
    local cases = { -- what it looks like, line, script
      { "after comments that show the same", 5,
        "-- return { health = { fall = 0 } }\n--[[ health = { fall = 0 }\n]] --[==[ ]] ]==]\n" ..
        "return { health = {\n fall = 0 } }" },
      { "after strings that show the same", 4,
        "local a, b = 'return { health = {', \"\\\"{\"\nlocal c = [[\n{{ fall = 0 ]] .. [=[ ]] ]=]\n" ..
        "return { health = { fall = 0 } }" },
      { "behind functions with blocks of all kinds", 9, [[
local function f(x)
  if x then return { health = { fall = 9 } } elseif y then for i = 1, 2 do g() end else while true do break end end
  repeat x = 1 until x == 1
end
return {
  choose = function(a, b) local health = { fall = 2 } return b[1] end,
  fallback = "fail",
  health = { rise = 1;
    fall = 0 },
}]] },
      { "with a key in brackets", 2, "return { ['health'] = {\n ['fall'] = 0 } }" },
      { "in a variable", 2, "local health = {\n fall = 0 }\nreturn { health = health }" },
      { "in a field that is set later", 3, "local M = { health = {\n fall = 2 } }\nM.health = { fall = 0 }\nreturn M" },
      { "in a field of a field", 3, "local health = {}\nlocal M = { health = health }\nhealth.fall = 0\nreturn M" },
      { "in a table with a metatable", 2, "return setmetatable({ health = {\n fall = 0 } }, {})" },
      { "as far as it can be read", 3, "local function make() return { fall = 0 } end\nreturn {\n health = make() }" },
      { "that ends in the middle of a table", 1, "return { health = { fall = 0 }, backends = 'a:1' } -- {" },
      { "that returns what cannot be read", 1, "return (function() return { health = { fall = 0 } } end)()" },
    }
    for _, case in ipairs(cases) do
      local name, line, script = unpack(case)
      it(name, function()
        assert.same({ nil, ("balancer.lua:%d: %s"):format(line, WRONG) }, { load_printed(script) })
      end)
    end

    it("and named without a line if nothing is there to find", function()
      assert.same({ nil, "balancer.lua: " .. WRONG },
        { load_printed "do return { health = { fall = 0 } } end" })
    end)
  end)

  describe("survive a script that", function()
    local cases = { -- what it does, script, message without "balancer.lua"
      { "is not Lua", "return {\n choose = function(ctx)\n }\n}", ":3: unexpected symbol near '}'" },
      { "is bytecode", string.dump(function() return {} end), ": attempt to load chunk with wrong mode" },
      { "raises an error", "\nerror 'no such luck'", ":2: no such luck" },
      { "raises an error without a line", "error('no such luck', 0)", ": no such luck" },
      { "raises several lines", "error('a\\nb\\27', 0)", ": a\\nb\\x1b" },
      { "raises a table", "error({})", ": the script raised an error that is not a text but a table" },
      { "raises nothing", "error()", ": the script raised an error that is not a text but a nil" },
      { "raises a number", "error(7)", ":1: 7" },
      { "raises a number without a line", "error(7, 0)", ": 7" },
      { "raises what fails to become a text", "error(setmetatable({}, { __tostring = function() error 'x' end }))",
        ": the script raised an error that is not a text but a table" },
      { "uses what is not there", "os.exit(0)", ":1: attempt to call field 'exit' (a nil value)" },
      { "uses a file", "\nio.open 'x'", ":2: attempt to index global 'io' (a nil value)" },
      { "recurses for ever", "local function f() return 1 + f() end\nf()", ": stack overflow" },
      { "returns a table that raises an error on each use", [[
        local function bad() error "touched" end
        return setmetatable({ fallback = setmetatable({}, { __tostring = bad }) },
          { __index = bad, __newindex = bad, __len = bad, __call = bad, __pairs = bad })]],
        ":2: fallback: expected 'round_robin' or 'fail', got a table" },
      { "returns a table within itself", "local t = {}\nt.health = t\nreturn t",
        ":2: health: unknown field 'health'" },
      { "hides its defaults behind a metatable", "return setmetatable({}, { __index = { backends = 'a:1' } })",
        ':1: no backends: set backends = "host:port, host:port", or use --backend' },
      { "takes all memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end",
        ": not enough memory: a script may use 256 MiB while it loads" },
      { "takes more memory than its hooks could have",
        "\nreturn { backends = 'a:1', script = { memory = 2 ^ 20 }, init = (function()\n" ..
        "local t = ('x'):rep(2 ^ 20) return function() return t end end)() }", ":2: the script takes " },
      { "takes all memory at once", "return { listen = ('x'):rep(2 ^ 30) }",
        ": not enough memory: a script may use 256 MiB while it loads" },
      { "hides a long text in a setting", "return { fallback = ('x'):rep(1e6) }",
        ":1: fallback: expected 'round_robin' or 'fail', got '" .. ("x"):rep(40) .. "'" },
      { "hides a long name in a setting", "return { [('x'):rep(1e6)] = 1 }",
        ":1: unknown field '" .. ("x"):rep(40) .. "'" },
    }
    for _, case in ipairs(cases) do
      local name, script, message = unpack(case)
      it(name, function()
        local printed, err = load_printed(script)
        assert.is_nil(printed)
        assert.equal("balancer.lua" .. message, err:sub(1, #message + #"balancer.lua"))
        assert.is_true(#err < 1200)
      end)
    end

    local endless = { -- what it does, line, script
      { "loops for ever", 2, "\nwhile true do end" },
      { "loops for ever in a function", 2, "local function f()\n while true do end end\n\nf()" },
      { "catches that it is stopped", 1, "while true do pcall(function() while true do end end) end" },
      { "loops for ever in a coroutine", 2, "coroutine.wrap(function()\n while true do end end)()" },
      { "loops for ever in what handles the error", 1,
        "while true do xpcall(function() while true do end end, function() while true do end end) end" },
    }
    for _, case in ipairs(endless) do
      local name, line, script = unpack(case)
      it(name, function()
        local before = os.clock()
        local _, err = load_printed(script)
        assert.equal(("balancer.lua:%d: "):format(line), err:match "^balancer.lua:%d+: ")
        assert.truthy(err:find("time", 1, true), err)
        assert.is_true(os.clock() - before < 5)
      end)
    end
  end)

  describe("give way", function()
    local script = "return { listen = ':1', backends = 'a:1', workers = 1 }"

    it("to the listen addresses that are given instead", function()
      local given = overridden { listen = { "127.0.0.1:5", ":6,[::1]:7" }, listen_source = "--listen" }
      assert.same({ "127.0.0.1:5", ":6", "[::1]:7" }, settings(script, given).listen)
    end)

    it("to the backends that are given instead", function()
      local given = overridden { backends = { "x:1", "y:2,z:3" }, backends_source = "BACKENDS" }
      local backends = settings(script, given).backends
      assert.same({ "x:1", "y:2", "z:3" }, { backends[1].name, backends[2].name, backends[3].name })
      assert.equal(3, #backends)
    end)

    it("to the number of workers that is given instead", function()
      assert.equal(7, settings(script, (overridden { workers = "7" })).workers)
      assert.equal("auto", settings(script, (overridden { workers = "auto" })).workers)
    end)

    it("even if the script's own are missing or wrong", function()
      local given, held = overridden { listen = { ":1" }, backends = { "b:1" }, workers = "2" }
      assert.equal("b:1", settings("return {}", given).backends[1].name)
      assert.equal(2, settings("return { listen = 1, backends = 1, workers = 'x' }", given).workers)
      assert.is_table(held)
    end)

    local wrong = {
      { { listen = { "nonsense" }, listen_source = "LISTEN" },
        "LISTEN: 'nonsense': the port is missing: expected host:port" },
      { { listen = { "3030" }, listen_source = "--listen" },
        "--listen: '3030' is a port alone: write ':3030' for all addresses" },
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
        local overrides, held = overridden(given)
        assert.same({ nil, message }, { load_printed(script, overrides) })
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

    local function load_path(name)
      local err = ffi.new "struct buffer"
      return outcome(core.config_load_file(name, nil, segment, err), err)
    end

    it("whose name is shown as it was given", function()
      write "return {\n chose = 1 }"
      assert.same({ nil, path .. ":2: unknown field 'chose', did you mean 'choose'?" }, { load_path(path) })
    end)

    it("whose long name is shown whole, in errors of Lua too", function()
      local name = "a/folder/" .. ("x"):rep(100) .. "/balancer.lua"
      assert.same({ nil, name .. ":2: oh" }, { load_printed("\nerror 'oh'", nil, name) })
      assert.same({ nil, name .. ":1: unexpected symbol near '!'" }, { load_printed("!", nil, name) })
    end)

    it("unless it is not there", function()
      assert.same({ nil, "nowhere.lua: cannot read the script: No such file or directory" },
        { load_path "nowhere.lua" })
    end)

    it("unless it is a folder", function()
      assert.same({ nil, "/tmp: cannot read the script: Is a directory" }, { load_path "/tmp" })
    end)

    it("unless it is too large", function()
      write(("-"):rep(4 * 2 ^ 20 + 1))
      assert.same({ nil, path .. ": a script has 4 MiB at most" }, { load_path(path) })
    end)
  end)
end)
