-- chromium - a real browser without a window, told what to do over the DevTools protocol.
--
--   chromium.start(more)            starts it; more: a list of further options of its command line
--   browser:close()                 ends it
--   browser:open(url, options)      a page at that address; options: width (1280), height (900),
--                                   dark, scale (1), before: JavaScript that runs before the page's
--   page:value(js)                  what the expression gives; a promise is awaited
--   page:wait(what, js)             until that is true; gives the value
--   page:click(selector)            a press of the mouse in the middle of it
--   page:key(name), page:type(text) as the keyboard sends it, to what has the focus
--   page:look(options)              another width, height, dark or scale
--   page:screenshot(path)           a PNG of what is in view
--   page:close()
--   page:call(method, parameters)   any other word of the protocol
--   page.complaints                 errors of the console, of scripts and of loading
--   page.asked                      the address of each request that it has made
--
-- The protocol goes through two pipes, a NUL behind each message, so there is no port that others
-- could reach. A browser that is not closed ends with the spec (process.clear).
local json = require "dkjson"
local uv = require "luv"
local loop = require "spec.support.loop"
local process = require "spec.support.process"

local chromium = {}

-- Debian has it under both names; the first has no window at all and is smaller.
local PROGRAM = "chromium-headless-shell"

local Browser, Page = {}, {}
Browser.__index, Page.__index = Browser, Page

-- --- messages ---

local function on_message(self, message)
  if message.id then
    self.answers[message.id] = message
  elseif self.pages[message.sessionId] then
    self.pages[message.sessionId]:on_event(message.method, message.params)
  end
end

local function take(self, bytes)
  local rest, from = self.partial .. bytes, 1
  while true do
    local stop = rest:find("\0", from, true)
    if not stop then break end
    on_message(self, assert(json.decode(rest:sub(from, stop - 1), 1, json.null)))
    from = stop + 1
  end
  self.partial = rest:sub(from)
end

function Browser:call(method, parameters, session)
  self.count = self.count + 1
  local id = self.count
  local text = json.encode {
    id = id, method = method, sessionId = session,
    params = setmetatable(parameters or {}, { __jsontype = "object" }),
  }
  self.words:write(text .. "\0")
  local answer = loop.wait("chromium to answer " .. method, function()
    assert(not self.process.exit, "chromium has ended")
    return self.answers[id]
  end)
  self.answers[id] = nil
  if answer.error then error(("%s: %s"):format(method, answer.error.message), 2) end
  return answer.result
end

-- --- the browser ---

-- --no-sandbox, as Chromium's own needs rights that a container does not give; --disable-gpu and
-- --disable-dev-shm-usage for machines without a graphics card and with a small /dev/shm.
function chromium.start(more)
  local words, answers = uv.pipe(), uv.pipe()
  local self = setmetatable({
    answers = {}, pages = {}, count = 0, partial = "", words = uv.new_pipe(false), said = uv.new_pipe(false),
  }, Browser)
  self.words:open(words.write)
  self.said:open(answers.read)
  local command = {
    PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
    "--hide-scrollbars",
    name = "chromium", descriptors = { words.read, answers.write },
    env = { HOME = process.directory(), TMPDIR = process.directory() },
  }
  for _, option in ipairs(more or {}) do table.insert(command, option) end
  self.process = process.start(command)
  uv.fs_close(words.read)
  uv.fs_close(answers.write)
  self.said:read_start(loop.callback(function(err, bytes)
    assert(not err, err)
    if bytes then return take(self, bytes) end
    self.said:close()
    self.words:close()
  end))
  return self
end

-- Ends it, with all its pages.
function Browser:close()
  self:call "Browser.close"
  self.process:wait_exit()
end

-- --- pages ---

function Browser:open(url, options)
  options = options or {}
  local target = self:call("Target.createTarget", { url = "about:blank" }).targetId
  local session = self:call("Target.attachToTarget", { targetId = target, flatten = true }).sessionId
  local page = setmetatable({ browser = self, target = target, session = session, complaints = {}, asked = {} }, Page)
  self.pages[session] = page
  for _, domain in ipairs { "Page", "Runtime", "Log", "Network", "Performance" } do page:call(domain .. ".enable") end
  page:look(options)
  if options.before then page:call("Page.addScriptToEvaluateOnNewDocument", { source = options.before }) end
  page:call("Page.navigate", { url = url })
  page:wait("the page to be loaded", "document.readyState === 'complete'")
  return page
end

function Page:close()
  self.browser:call("Target.closeTarget", { targetId = self.target })
  self.browser.pages[self.session] = nil
end

function Page:call(method, parameters) return self.browser:call(method, parameters, self.session) end

local function shown(argument)
  return tostring(argument.value ~= nil and argument.value or argument.description or argument.type)
end

function Page:on_event(method, params)
  local complaint
  if method == "Network.requestWillBeSent" then
    table.insert(self.asked, params.request.url)
  elseif method == "Runtime.exceptionThrown" then
    local details = params.exceptionDetails
    complaint = details.exception and shown(details.exception) or details.text
  elseif method == "Runtime.consoleAPICalled" and (params.type == "error" or params.type == "warning") then
    local words = {}
    for i, argument in ipairs(params.args) do words[i] = shown(argument) end
    complaint = table.concat(words, " ")
  elseif method == "Log.entryAdded" and (params.entry.level == "error" or params.entry.level == "warning") then
    complaint = params.entry.text .. " " .. (params.entry.url or "")
  end
  if complaint then
    loop.note("chromium", complaint)
    table.insert(self.complaints, complaint)
  end
end

function Page:value(js)
  local answer = self:call("Runtime.evaluate",
    { expression = js, awaitPromise = true, returnByValue = true, userGesture = true })
  local details = answer.exceptionDetails
  if details then error(details.exception and shown(details.exception) or details.text, 2) end
  local value = answer.result.value
  if value == json.null then value = nil end
  return value
end

-- A page that is on its way to another address has no value.
function Page:wait(what, js)
  return loop.wait(what, function()
    local ok, value = pcall(self.value, self, js)
    if ok and value then return value end
    loop.pause(0.02)
    return nil
  end)
end

function Page:look(options)
  self.options = setmetatable(options, { __index = self.options })
  self:call("Emulation.setDeviceMetricsOverride", {
    width = options.width or 1280, height = options.height or 900, deviceScaleFactor = options.scale or 1,
    mobile = false,
  })
  self:call("Emulation.setEmulatedMedia",
    { features = { { name = "prefers-color-scheme", value = options.dark and "dark" or "light" } } })
end

function Page:click(selector)
  local at = self:value(([[(() => {
    const element = document.querySelector(%s);
    element.scrollIntoView({ block: "nearest" });
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  })()]]):format(json.encode(selector)))
  for _, kind in ipairs { "mousePressed", "mouseReleased" } do
    self:call("Input.dispatchMouseEvent", { type = kind, x = at[1], y = at[2], button = "left", clickCount = 1 })
  end
end

local KEYS = { Enter = 13, Escape = 27, Tab = 9, [" "] = 32, End = 35, Home = 36, ArrowUp = 38, ArrowDown = 40,
  PageUp = 33, PageDown = 34 }

function Page:key(name)
  local key = { key = name, code = name == " " and "Space" or name, windowsVirtualKeyCode = KEYS[name],
    text = name == "Enter" and "\r" or name == " " and " " or nil }
  for _, kind in ipairs { "keyDown", "keyUp" } do
    key.type = kind
    self:call("Input.dispatchKeyEvent", key)
  end
end

function Page:type(text) self:call("Input.insertText", { text = text }) end

function Page:screenshot(path)
  local data = self:call("Page.captureScreenshot", { format = "png" }).data
  local file = assert(io.open(path, "wb"))
  file:write((require "mime".unb64(data)))
  file:close()
end

return chromium
