-- The page of metrics and the dashboard, judged by Prometheus itself: promtool, its client library
-- for Python, whose reader of OpenMetrics is strict, and a server that scrapes for a minute.
local json = require "dkjson"
local uv = require "luv"
local admin = require "spec.support.admin"
local certificates = require "spec.support.certificates"
local grafana = require "spec.support.grafana"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local wire = require "spec.support.wire"

local PYTHON = "/usr/bin/python3" -- as in spec.support.peers
local SCRAPED, WINDOW = 62, 30 -- seconds
local CLIENTS, RATE = 10, 20   -- requests/s of each
local WITHIN = 0.02

-- With something of everything: TLS, tries that fail, a script's own, names to escape.
local function start()
  local backend = play.hello "x"
  return admin.balancer {
    listen = false, workers = 2, admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" } }',
    settings = ([[
      listen = { "127.0.0.1:0", { "127.0.0.1:0", tls = true } }, %s
      backends = { { name = "one", address = %q }, { name = 'tw"o\\', address = "127.0.0.1:1" } },
      health = { interval = 0.5 },
      init = function()
        local total = lb.total("said", { "what", max = 3 })
        for i = 1, 5 do total:add(i / 2, ("a\n\"\\%%d"):format(i)) end
        lb.total "plain":add(1)
        lb.gauge("temperature", { "where" }):set(-1 / 3, "käse")
        lb.gauge "endless":set(1 / 0)
      end,
      choose = function(ctx, backends) return backends.all[ctx.path == "/down" and 2 or 1] end,
    ]]):format(certificates.settings { certificates.new { names = { "lb.test" } } }, backend.address),
  }
end

local function page_file(lb, is_open)
  local _, response = metrics.of(lb, { open = is_open })
  return play.file(is_open and "open.txt" or "plain.txt", response.body)
end

local function shell(command) return play.run { "sh", "-c", command, seconds = 60 } end

-- Nobody has it now, and it is free.
local function free_port()
  local socket = uv.new_tcp()
  assert(socket:bind("127.0.0.1", 0))
  local port = socket:getsockname().port
  socket:close()
  return port
end

-- A server of Prometheus that scrapes every second, and its address.
local function scraper(target)
  local port = free_port()
  local config = play.file("prometheus.yml", ([[
global: { scrape_interval: 1s }
scrape_configs: [{ job_name: lb, static_configs: [{ targets: ["%s"] }] }]
]]):format(target))
  local server = play.start {
    "prometheus", "--config.file=" .. config, "--storage.tsdb.path=" .. play.directory() .. "/data",
    "--web.listen-address=127.0.0.1:" .. port, "--log.level=error",
  }
  local address = "127.0.0.1:" .. port
  play.wait("Prometheus to be ready", function()
    assert(not server.exit, "it has ended")
    local conn = wire.connect(address)
    if not conn then return false end
    conn:close()
    return wire.fetch(address, "/-/ready").status == 200
  end, 60)
  return address
end

local function query(address, text)
  local escaped = text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
  local response = wire.fetch(address, "/api/v1/query?query=" .. escaped)
  local answer = json.decode(response.body)
  assert(answer and answer.status == "success", response.body)
  local one = answer.data.result[1]
  return one and tonumber(one.value[2])
end

describe("Prometheus", function()
  after_each(play.curtain)

  it("finds no fault with the page", function()
    local lb = start()
    for _, path in ipairs { "/", "/down", "/" } do lb:fetch(path) end
    local found = shell("promtool check metrics <" .. page_file(lb))
    assert.same({ code = 0, signal = 0, out = "", err = "" }, found)
  end)

  it("would find one", function()
    local found = shell("promtool check metrics <" .. play.file("wrong.txt", "a_total{b=\"\n"))
    assert.not_equal(0, found.code)
  end)

  it("reads the page as OpenMetrics, strictly", function()
    local lb = start()
    lb:fetch "/"
    local found = shell(([[%s -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
families = list(read(sys.stdin.read()))
print(len(families), sum(len(f.samples) for f in families))
' <%s]]):format(PYTHON, page_file(lb, true)))
    assert.equal(0, found.code, found.err)
    local families, samples = found.out:match "(%d+) (%d+)"
    assert(tonumber(families) > 40 and tonumber(samples) > 150, found.out)
  end)

  it("understands every query of the dashboard", function()
    local rules = {}
    for i, text in ipairs(grafana.queries()) do
      rules[i] = ("  - { record: 'r:%d', expr: %s }"):format(i, json.encode(grafana.filled(text)))
    end
    assert(#rules > 30, #rules)
    local file = play.file("rules.yml", "groups:\n- name: dashboard\n  rules:\n" .. table.concat(rules, "\n") .. "\n")
    local found = shell("promtool check rules " .. file)
    assert.equal(0, found.code, found.out .. found.err)
  end)

  it("sees the rate at which requests were sent", function()
    local lb = start()
    local prometheus, said = scraper(admin.tcp(lb)), nil
    local count = CLIENTS * RATE * (SCRAPED + 15)
    play.beside(function()
      said = play.run {
        "h2load", "--h1", "-t", "1", "-c", tostring(CLIENTS), "--rps", tostring(RATE), "-n", tostring(count),
        "http://" .. lb.addresses[1] .. "/", seconds = SCRAPED + 60,
      }
    end)
    play.pause(SCRAPED)
    assert.is_nil(said, "the load has ended before")
    local seen = query(prometheus, ("sum(rate(lb_requests_total[%ds]))"):format(WINDOW))
    play.wait("the load to end", function() return said end, 60)
    assert.equal(count, tonumber(said.out:match "(%d+) 2xx"), said.out)
    local sent = count / tonumber(said.out:match "finished in ([%d.]+)s")
    assert(math.abs(seen / sent - 1) <= WITHIN, ("%g of %g a second"):format(seen, sent))
    assert.equal(count, metrics.sum(metrics.of(lb), "lb_requests_total"))
  end)
end)
