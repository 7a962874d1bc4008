-- The dashboard in a real browser: Chromium, without a window.
local admin = require "spec.support.admin"
local chromium = require "spec.support.chromium"
local forwarding = require "spec.support.forwarding"
local json = require "dkjson"
local play = require "spec.support.play"

local TOKEN = "0123456789abcdef-token"
local ROW = "document.querySelectorAll('#rows tr:not([hidden])')"

-- What the row of a backend shows in a column.
local function cell(name, column)
  return ("[...%s].find((tr) => tr.cells[0].textContent === %s)?.querySelector('.%s').textContent"):format(ROW,
    json.encode(name), column)
end

local function text(id) return ("document.getElementById('%s').textContent"):format(id) end

-- A browser that has opened the page of lb, as over ssh -L.
local function open(lb, options)
  admin.ready(lb)
  local browser, address = chromium.start(), forwarding.start(lb.admin_path)
  local page = browser:open("http://" .. address .. "/", options)
  page:wait("a second summary", "/[1-9]/.test(document.getElementById('about').textContent)")
  return page, browser, address
end

local function click_row(page, name)
  page:value(("[...%s].find((tr) => tr.cells[0].textContent === %s).id = 'wanted'"):format(ROW, json.encode(name)))
  page:click "#wanted"
  page:wait("it to be open", text "name" .. " === " .. json.encode(name))
end

local function named(backends)
  local list = {}
  for i, one in ipairs(backends) do
    list[i] = ("{ name = %q, address = %q }"):format(one[1], one[2].address or one[2])
  end
  return "backends = { " .. table.concat(list, ", ") .. " }"
end

local function thousand()
  local list = {}
  for i = 1, 1000 do list[i] = ('{ name = "b%d", address = "127.0.0.1:1" }'):format(i) end
  return "health = { interval = 3600 }, backends = { " .. table.concat(list, ", ") .. " }"
end

describe("the dashboard", function()
  after_each(play.curtain)

  it("is drawn, goes on by itself, complains of nothing and asks nobody but lb", function()
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", "127.0.0.1:1" } } }
    local page, browser, address = open(lb, { dark = true })
    lb:down "127.0.0.1:1"
    page:wait("both rows", cell("two", "state") .. " === 'down'")
    assert.equal("connection refused", page:value(cell("two", "last")))
    assert.equal("up", page:value(cell("one", "state")))
    assert.equal("READY", page:value(text "ready"))
    assert.equal("live", page:value(text "link"))
    for _ = 1, 5 do lb:fetch "/" end
    page:wait("the requests", "Number(" .. cell("one", "rate") .. ") > 0")
    page:wait("the event", text "events" .. ".includes('two is down')")
    assert.same({}, page.complaints)
    assert.is_true(#page.asked >= 6)
    for _, url in ipairs(page.asked) do assert.equal("http://" .. address .. "/", url:sub(1, #address + 8)) end
    browser:close()
  end)

  it("drains a backend under load, says when it is empty, and no client notices", function()
    local function slowly() return play.answering(function() play.pause(0.1) return "x" end) end
    local lb = admin.balancer { settings = named { { "one", slowly() }, { "two", slowly() } } }
    local page, browser = open(lb)
    local said, count = nil, 1600
    play.beside(function()
      said = play.run { "h2load", "--h1", "-t", "1", "-c", "16", "-n", tostring(count), "http://" .. lb.address .. "/",
        seconds = 120 }
    end)
    page:wait("requests at it", "parseInt(" .. cell("one", "flight") .. ") > 0")
    click_row(page, "one")
    page:click "#why"
    page:type "bad disk"
    page:click "#drain"
    page:wait("it to drain", cell("one", "state") .. " === 'draining'")
    page:wait("the row to say 0", cell("one", "flight") .. " === '0'")
    page:wait("the word", text "left" .. " === '0 in flight: it is empty'")
    assert.equal("admin: bad disk", page:value(cell("one", "last")))
    assert.is_nil(said, "the load has ended before")
    page:wait("the other one to have all", cell("two", "share") .. " === '100 %'")
    page:click "#undrain"
    page:wait("it to be back", cell("one", "state") .. " === 'up'")
    play.wait("the load to end", function() return said end)
    assert.equal(count, tonumber(said.out:match "(%d+) 2xx"), said.out)
    assert.same({}, page.complaints)
    browser:close()
  end)

  it("does all that it has buttons for, and says what lb refuses", function()
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", play.hello "y" } } }
    local page, browser = open(lb)
    local function seen() return select(2, admin.get(lb, "/backends/one")) end
    local function set(id, value)
      page:value(("document.getElementById('%s').value = '%s'"):format(id, value))
    end
    click_row(page, "one")
    set("weight", 7)
    page:click "[data-act=weight]"
    page:wait("the weight", cell("one", "weight") .. " === '7 (1)*'")
    assert.same({ 7, "admin" }, { seen().weight.now, seen().weight.set_by })
    for _, wrong in ipairs { "", "1.5", "-1", "65536" } do
      set("weight", wrong)
      page:click "[data-act=weight]"
      page:wait("a refusal", text "wrong" .. " === 'a weight is a whole number from 0 to 65535'")
      assert.equal(7, seen().weight.now)
    end
    page:click "#back"
    page:wait("the script's weight", cell("one", "weight") .. " === '1'")
    assert.equal("script", seen().weight.set_by)
    set("why", "slow")
    set("seconds", 600)
    page:click "[data-act=eject]"
    page:wait("the ejection", cell("one", "state") .. " === 'ejected'")
    page:wait("the reason among the changes", text "changes" .. ".includes('up → ejected by admin: slow')")
    page:click "[data-act=readmit]"
    page:wait("its return", cell("one", "state") .. " === 'up'")
    page:click "[data-act=readmit]"
    page:wait("a refusal", text "wrong" .. " === 'one is not ejected'")
    page:click "[data-act=check]"
    page:wait("the check", text "said" .. " === 'one is checked'")
    assert.equal("", page:value(text "wrong"))
    admin.ask(lb, "POST", "/backends/two/drain", {})
    page:click "#drain"
    page:wait("a warning", text "wrong" .. ".includes('no backend is available')")
    browser:close()
  end)

  it("draws a thousand backends as they come into view, sorted and filtered", function()
    local lb = admin.balancer { may_fail = true, settings = thousand() }
    local browser = chromium.start()
    local page = browser:open("http://" .. forwarding.start(lb.admin_path) .. "/")
    page:wait("all to be down", text "count" .. " === '1000 down'")
    assert.is_true(page:value(ROW .. ".length") < 60)
    assert.equal("1001", page:value "document.getElementById('table').ariaRowCount")
    assert.equal("b1", page:value(ROW .. "[0].cells[0].textContent"))
    for _, part in ipairs { 0.5, 1 } do
      page:value(("view.scrollTop = view.scrollHeight * %g"):format(part))
      page:wait("those in view",
        ("[...%s].some((tr) => tr.cells[0].textContent === 'b%d')"):format(ROW, 1000 * part))
      local gap = page:value [[(() => {
        const view = document.getElementById("view").getBoundingClientRect();
        const rows = [...document.querySelectorAll("#rows tr:not([hidden])")].map((tr) => tr.getBoundingClientRect());
        return Math.max(...rows.map((row) => row.bottom)) < view.bottom - 1
          || Math.min(...rows.map((row) => row.top)) > view.top + 60;
      })()]]
      assert.is_false(gap)
    end
    page:click "th.name button"
    page:wait("the last one first", "document.querySelector('th.name').ariaSort === 'descending'")
    page:value "document.getElementById('view').scrollTop = 0"
    page:wait("b1000", ROW .. "[0].cells[0].textContent === 'b1000'")
    page:click "#filter"
    page:type "B99"
    page:wait("those with it", ROW .. ".length === 11 && " .. text "count" .. " === '1000 down; 11 of 1000 shown'")
    assert.same({}, page.complaints)
    browser:close()
  end)

  it("is used by the keyboard alone", function()
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", play.hello "y" } } }
    local page, browser = open(lb)
    local focus = "document.activeElement.id || document.activeElement.textContent"
    local function tab_to(id)
      for _ = 1, 40 do
        if page:value(focus) == id then return end
        page:key "Tab"
      end
      error("no way to " .. id)
    end
    tab_to "filter"
    tab_to "state" -- heads sort
    page:key "Enter"
    assert.equal("ascending", page:value "document.querySelector('th.state').ariaSort")
    page:value "document.activeElement.blur()"
    tab_to "table"
    page:key "ArrowDown"
    page:key "ArrowDown"
    local here = "document.getElementById(document.getElementById('table').getAttribute('aria-activedescendant'))"
    assert.equal("two", page:value(here .. ".cells[0].textContent"))
    page:key "Enter"
    assert.equal("name", page:value(focus))
    tab_to "drain"
    page:key " "
    page:wait("it to drain", cell("two", "state") .. " === 'draining'")
    page:key "Escape"
    assert.is_true(page:value "document.getElementById('one').hidden")
    assert.equal("table", page:value(focus))
    local unnamed = page:value [[
      [...document.querySelectorAll("button, input, section, dialog, table, ol")].filter((e) =>
        !(e.ariaLabel || e.getAttribute("aria-labelledby") || e.labels?.length ||
          e.tagName === "BUTTON" && e.textContent)).map((e) => e.outerHTML)]]
    assert.same({}, unnamed)
    browser:close()
  end)

  it("shows how requests went wrong", function()
    local bad = play.backend(function(conn)
      conn:request()
      conn:reset()
    end)
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", bad } } }
    local page, browser = open(lb)
    assert.equal("none", page:value [[getComputedStyle(failures, "::before").content.replaceAll('"', "")]])
    while lb:fetch("/a?b").status == 200 and bad.served == 0 do end
    page:wait("the failure", text "failures" .. ".includes('GET /a?b: 200; two connection reset by peer → one ok; ')")
    assert.same({}, page.complaints)
    browser:close()
  end)

  it("shows as text what scripts, backends and clients have chosen", function()
    local evil = "<img src=x onerror=alert(1)>"
    local lb = admin.balancer { settings = ([[
      init = function() lb.log.warn(%q) end,
      backends = { { name = %q, address = "127.0.0.1:1", tags = { zone = %q } } },
    ]]):format(evil, evil, evil) }
    lb:event "backend_down"
    local browser = chromium.start()
    local page = browser:open("http://" .. forwarding.start(lb.admin_path) .. "/")
    page:wait("the row", cell(evil, "state") .. " === 'down'")
    click_row(page, evil)
    page:wait("its tags", ("%s.includes(%q)"):format(text "facts", "zone = " .. evil))
    page:click "#why"
    page:type(evil)
    page:click "#drain"
    page:wait("the reason", ("%s.includes(%q)"):format(text "changes", evil))
    page:wait("the event", ("%s.includes(%q)"):format(text "events", evil))
    assert.equal(503, lb:fetch("/&lt;b&gt;").status)
    page:wait("the request", ("%s.includes(%q)"):format(text "failures", "GET /&lt;b&gt;: 503"))
    assert.equal(0, page:value "document.querySelectorAll('img').length")
    assert.same({}, page.complaints)
    browser:close()
  end)
end)

describe("the dashboard over TCP", function()
  after_each(play.curtain)

  it("asks for the token, and keeps it for the tab", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = ('{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = %q }'):format(TOKEN) }
    admin.ready(lb)
    local browser, url = chromium.start(), "http://" .. admin.tcp(lb) .. "/"
    local page = browser:open(url)
    local asks = "document.getElementById('ask').open"
    page:wait("the question", asks)
    page:key "Escape"
    page:wait("its end", text "link" .. " === 'not connected: lb wants a token' && !" .. asks)
    page:click "#again"
    page:wait("the question", asks)
    page:type "a wrong token, as can be"
    page:key "Enter"
    page:wait("another question", asks .. " && " .. text "ask_why" .. " === 'lb does not know that token.'")
    page:type(TOKEN)
    page:key "Enter"
    page:wait("the row", ROW .. ".length === 1")
    page:click "#rows tr"
    page:click "#drain"
    page:wait("the drain", text "state" .. " === 'draining'")
    page:call "Page.reload"
    page:wait("the row again", ROW .. ".length === 1 && " .. text "link" .. " === 'live'")
    assert.is_false(page:value(asks))
    assert.equal("", page:value "document.cookie")
    assert.equal(0, page:value "localStorage.length")
    local other = browser:open(url)
    other:wait("the question", asks)
    browser:close()
  end)
end)

describe("the dashboard, when lb is gone for a while", function()
  after_each(play.curtain)

  it("says so, and connects again by itself", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local page, browser = open(lb)
    local pid = lb:event("start").pid
    lb:freeze()
    page:wait("the word of it", text "link" .. ".startsWith('not connected: lb was silent for 5 s; trying again in ')")
    assert.is_true(page:value "document.getElementById('link').classList.contains('off')")
    lb:thaw()
    page:wait("the connection", text "link" .. " === 'live'")
    assert.equal(pid, lb.pid)
    browser:close()
  end)
end)

-- A page of somebody else, in the browser of somebody who may ask lb: here even without a token, as
-- over ssh -L.
describe("a page of another origin", function()
  after_each(play.curtain)

  local ATTACK = [[<!doctype html><title>evil</title><script>
const lb = location.hash.slice(1), done = [];
const tries = [
  () => fetch(lb + "backends/one/drain",
    { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } }),
  () => fetch(lb + "backends/one/drain", { method: "POST", body: "{}", mode: "no-cors" }),
  () => fetch(lb + "backends/one/weight", { method: "POST", body: '{"weight":0}', mode: "no-cors",
    credentials: "include", headers: { "Content-Type": "text/plain" } }),
  () => fetch(lb + "values/a", { method: "PUT", body: '{"value":1}' }),
  () => fetch(lb + "state").then((answer) => answer.text()).then((text) => { window.learned = text; }),
  () => new Promise((is, fails) => {
    const image = document.body.appendChild(new Image());
    Object.assign(image, { src: lb + "backends/one/drain", onload: is, onerror: fails });
  }),
  () => new Promise((is) => {
    const form = document.createElement("form"), frame = document.createElement("iframe");
    Object.assign(form, { action: lb + "backends/one/drain", method: "post", enctype: "text/plain", target: "f" });
    frame.name = "f";
    form.append(Object.assign(document.createElement("input"), { name: '{"a":"', value: '"}' }));
    document.body.append(form, frame);
    form.submit();
    frame.onload = is;
  }),
  () => new Promise((is) => {
    document.body.appendChild(Object.assign(document.createElement("iframe"), { src: lb, onload: is }));
  }),
];
onload = async () => {
  for (const one of tries) done.push(await one().then(() => "went", () => "refused"));
  window.done = done;
};
</script><body>]]

  local function stays_as_it_was(lb)
    local _, one = admin.get(lb, "/backends/one")
    assert.same({ "up", 1, "script" }, { one.state, one.weight.now, one.weight.set_by })
    for _, change in ipairs(one.changes) do assert.equal("check", change.by) end
    assert.equal(404, (admin.get(lb, "/values/a")))
  end

  it("changes nothing and learns nothing, by whatever it sends", function()
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", play.hello "y" } } }
    admin.ready(lb)
    local evil = play.answering(function() return ATTACK, 200, "Content-Type: text/html\r\n" end)
    local address, browser = forwarding.start(lb.admin_path), chromium.start()
    local page = browser:open("http://" .. evil.address .. "/#http://" .. address .. "/")
    page:wait("all tries", "window.done?.length === 8")
    assert.is_nil(page:value "window.learned")
    assert.equal("refused", page:value "window.done[0]")
    stays_as_it_was(lb)
    -- It did send them, and its frame has shown none of the dashboard.
    local came = forwarding.bytes(address)
    for _, line in ipairs { "POST /backends/one/drain ", "POST /backends/one/weight ", "OPTIONS /values/a ",
      "GET /state ", "GET /backends/one/drain ", "GET / " } do
      assert.truthy(came:find(line, 1, true), line)
    end
    assert.is_nil(came:find("GET /page.js", 1, true))
    browser:close()
  end)

  it("changes nothing under a name that was bound to lb's address", function()
    local lb = admin.balancer { settings = named { { "one", play.hello "x" }, { "two", play.hello "y" } } }
    admin.ready(lb)
    local address = forwarding.start(lb.admin_path)
    local browser = chromium.start { "--host-resolver-rules=MAP evil.example 127.0.0.1" }
    local page = browser:open("http://evil.example:" .. address:match "%d+$" .. "/live")
    assert.equal('{"live":true}\n', page:value "document.body.textContent")
    local function status(path, options)
      return page:value(("fetch(%s, %s).then((answer) => answer.status)"):format(json.encode(path), options or "{}"))
    end
    local post = [[{ method: "POST", body: "{}", headers: { "Content-Type": "application/json" } }]]
    assert.equal(421, status("/backends/one/drain", post))
    for _, path in ipairs { "/", "/page.js", "/state", "/events", "/backends" } do
      assert.equal(421, status(path), path)
    end
    stays_as_it_was(lb)
    browser:close()
  end)
end)
