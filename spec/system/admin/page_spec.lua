-- The dashboard, as far as it can be judged without a browser: what is served to whom, how large it
-- is, what it may do, and that lb says what its script reads. spec/world has a browser.
local json = require "dkjson"
local admin = require "spec.support.admin"
local files = require "spec.support.files"
local play = require "spec.support.play"

local TOKEN = "0123456789abcdef-token"
local BYTES_MAX = 40 * 1024

local FILES = {
  { "/", "page.html", "text/html; charset=utf-8" },
  { "/page.css", "page.css", "text/css; charset=utf-8" },
  { "/page.js", "page.js", "text/javascript; charset=utf-8" },
  { "/page_table.js", "page_table.js", "text/javascript; charset=utf-8" },
}

local function source(name) return files.read("core/admin/" .. name) end

local function scripts() return source "page.js" .. source "page_table.js" end

describe("the dashboard", function()
  after_each(play.curtain)

  it("is served as it stands in the source, and may ask lb only", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local bytes = 0
    for _, file in ipairs(FILES) do
      local path, name, kind = unpack(file)
      local status, _, response = admin.get(lb, path)
      assert.equal(200, status)
      assert.is_true(response.body == source(name), name)
      assert.equal(kind, response:field "content-type")
      assert.equal("nosniff", response:field "x-content-type-options")
      assert.equal("no-referrer", response:field "referrer-policy")
      assert.equal("same-origin", response:field "cross-origin-resource-policy")
      local allowed = {}
      for name_of, value in response:field "content-security-policy":gmatch "([%l-]+) ([^;]*)" do
        allowed[name_of] = value
      end
      assert.same({
        ["default-src"] = "'none'", ["script-src"] = "'self'", ["style-src"] = "'self'", ["connect-src"] = "'self'",
        ["img-src"] = "data:", ["base-uri"] = "'none'", ["form-action"] = "'none'", ["frame-ancestors"] = "'none'",
        ["require-trusted-types-for"] = "'script'", ["trusted-types"] = "'none'",
      }, allowed)
      bytes = bytes + #response.body
    end
    assert.is_true(bytes <= BYTES_MAX, bytes)
  end)

  it("is there over TCP if there is a token that it can ask for, under names of lb only", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = ('{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = %q }'):format(TOKEN) }
    local over = admin.tcp(lb)
    for _, file in ipairs(FILES) do
      assert.equal(200, (admin.get(lb, file[1], { over = over })))
      assert.equal(421, (admin.get(lb, file[1], { over = over, host = "evil.example" })))
    end
    for _, path in ipairs { "/state", "/events?backends=1", "/page", "/page.css/", "/backends" } do
      assert.equal(401, (admin.get(lb, path, { over = over })), path)
    end
    assert.equal(405, (admin.ask(lb, "POST", "/", {})))
  end)

  it("is not there over TCP without a token", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" } }' }
    for _, file in ipairs(FILES) do
      local status, body = admin.get(lb, file[1], { over = admin.tcp(lb) })
      assert.equal(401, status)
      assert.truthy(body.error:find("add admin.token", 1, true))
    end
  end)

  it("names no other place, and has no script or style inside its HTML", function()
    for _, file in ipairs(FILES) do
      local text = source(file[2])
      for _, word in ipairs { "://", "@import", "url(", " on%l+%s*=%s*[\"']", " style%s*=", "<style", "<script>",
        "innerHTML", "outerHTML", "insertAdjacent", "document%.write", "eval%(", "Function%(", "cookie" } do
        assert.is_nil(text:find(word, 1, not word:find "%%" or nil), file[2] .. ": " .. word)
      end
    end
    for from in source "page.html":gmatch "[hs]r[ec]f?=\"([^\"]+)\"" do
      assert.truthy(from == "data:," or from == "page.css" or from == "page.js", from)
    end
  end)

  it("has every element that its scripts look for, once", function()
    local html, ids = source "page.html", {}
    for id in html:gmatch ' id="([^"]+)"' do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
    local count = 0
    for id in scripts():gmatch '%$%("(%w[%w_]*)"%)' do
      count = count + 1
      assert.is_true(ids[id], id)
    end
    assert.is_true(count > 30, count)
    for id in html:gmatch 'aria%-%l+by="([^"]+)"' do assert.is_true(ids[id], id) end
  end)
end)

-- Events of the stream, by kind, as they come. HTTP/1.0 has no chunks.
local function stream(lb, target)
  local client, seen, rest = play.client(lb.admin), { summary = {}, backends = {}, log = {} }, ""
  client.on_bytes = function(bytes)
    rest = (rest .. bytes):gsub("event: (%l+)\ndata: ([^\n]*)\n\n", function(kind, data)
      table.insert(seen[kind], (assert(json.decode(data), data)))
      return ""
    end)
  end
  client:send(("GET %s HTTP/1.0\r\nHost: lb\r\n\r\n"):format(target))
  return seen
end

describe("the stream of the dashboard", function()
  after_each(play.curtain)

  it("counts answers and durations", function()
    local backend = play.backend { serve = function(conn)
      while true do
        local request = conn:request()
        if not request then return end
        conn:send(play.text("x", request.target == "/bad" and 404 or 200))
      end
    end }
    local lb = admin.balancer { backends = { backend } }
    lb:up(backend)
    for _, target in ipairs { "/", "/", "/bad" } do lb:fetch(target) end
    local seen = stream(lb, "/events")
    play.wait("a summary", function() return seen.summary[1] end)
    local summary = seen.summary[1]
    assert.same({ ["1xx"] = 0, ["2xx"] = 2, ["3xx"] = 0, ["4xx"] = 1, ["5xx"] = 0, ["499"] = 0 }, summary.answers)
    local sum, bounds = 0, {}
    for i, duration in ipairs(summary.durations) do
      bounds[i], sum = duration[1] or "none", sum + duration[2]
    end
    assert.same({ 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, "none" }, bounds)
    assert.equal(3, sum)
    assert.equal(3, summary.requests)
    assert.is_true(summary.uptime_s > 0)
    play.wait("another summary", function() return seen.summary[2] end)
    assert.is_true(seen.summary[2].uptime_s > summary.uptime_s)
    assert.equal(0, #seen.backends)
  end)

  it("has a row of each backend behind each summary, if it is asked for", function()
    local backend = play.hello "x"
    local lb = admin.balancer { settings = ([[
      backends = { { name = "a", address = %q, weight = 2 }, { name = "b <b>", address = "127.0.0.1:1" } },
    ]]):format(backend.address) }
    lb:event("backend_up", { backend = "a" })
    lb:event "backend_down"
    lb:fetch "/"
    admin.ask(lb, "POST", "/backends/a/weight", { weight = 7 })
    admin.ask(lb, "POST", "/backends/a/drain", { why = "bad disk" })
    local seen = stream(lb, "/events?backends=1")
    play.wait("rows, twice", function() return seen.backends[2] end)
    assert.is_true(#seen.summary >= 2)
    local rows = {}
    for i, row in ipairs(seen.backends[1].rows) do
      rows[i] = {}
      for n, column in ipairs(seen.backends[1].columns) do rows[i][column] = row[n] end
    end
    assert.same({ "a", "draining", "admin: bad disk", 0, 0, 1, 0, 0, 7, 2, "admin" }, {
      rows[1].name, rows[1].state, rows[1].why, rows[1].in_flight, rows[1].pending, rows[1].requests, rows[1].failures,
      rows[1].error_rate, rows[1].weight, rows[1].weight_script, rows[1].set_by })
    assert.is_true(rows[1].ewma_ms > 0 and rows[1].since_s >= 0)
    assert.same({ "b <b>", "down", "connection refused", 1, "script" },
      { rows[2].name, rows[2].state, rows[2].why, rows[2].weight, rows[2].set_by })
    for _, column in ipairs(seen.backends[1].columns) do
      assert.truthy(scripts():find("b." .. column, 1, true), column)
    end
  end)

  it("has the rows of a thousand backends in pieces, and each of them each second", function()
    local list = {}
    for i = 1, 1000 do list[i] = ('{ name = "backend-%d", address = "127.0.0.1:1" }'):format(i) end
    local lb = admin.balancer {
      settings = "health = { interval = 3600 }, backends = { " .. table.concat(list, ", ") .. " }" }
    local seen = stream(lb, "/events?backends=1")
    local function count()
      local rows = 0
      for _, event in ipairs(seen.backends) do rows = rows + #event.rows end
      return rows
    end
    play.wait("each of them, twice", function() return count() >= 2000 end)
    assert.is_true(#seen.backends > 2, #seen.backends)
    assert.equal("backend-1000", seen.backends[#seen.backends].rows[#seen.backends[#seen.backends].rows][1])
    assert.equal(0, count() % 1000)
  end)
end)
