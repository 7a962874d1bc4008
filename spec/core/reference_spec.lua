-- The reference says what the program has, and nothing else: settings with defaults and ranges, the
-- command line, members of a request's line, events and their members. The program's side is read
-- from the program: its tables, its help, and the names in its sources.
local ffi = require "ffi"
local core = require "spec.support.core"
local pages = require "spec.support.pages"

ffi.cdef [[
struct setting_seen { const char *name; int kind; size_t offset; double standard, least, most; bool or_zero; };
struct group_seen { const char *name; const struct setting_seen *settings; unsigned count; };
extern const struct group_seen settings_groups[];
extern const char *const probes_names[], *const sources_names[];
struct config *config_load_text(const char *name, struct slice source, const void *overrides, struct segment *,
                                struct buffer *error);
void config_print(const struct config *, struct buffer *);
void config_free(struct config *);
]]

local SIZES = { KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30 }

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- The names that only the program has, and the names that only the page has.
local function differences(program, page)
  local missing, surplus = {}, {}
  for _, name in ipairs(sorted(program)) do if not page[name] then missing[#missing + 1] = name end end
  for _, name in ipairs(sorted(page)) do if not program[name] then surplus[#surplus + 1] = name end end
  return { undocumented = missing, without_program = surplus }
end

local NONE = { undocumented = {}, without_program = {} }

local function agree(program, page, least)
  assert.same(NONE, differences(program, page))
  assert.is_true(#sorted(program) >= least, #sorted(program))
end

local function section(path, heading)
  local text = pages.read(path) .. "\n## "
  local _, from = text:find("\n" .. heading .. "\n", 1, true)
  return text:sub(assert(from, heading), text:find("\n## ", from, true))
end

-- The cells of each row of the tables in a text, without the lines below their heads.
local function rows(text)
  local list = {}
  for line in text:gmatch "\n(|[^\n]*)" do
    local cells = {}
    for cell in line:gsub("\\|", "\1"):gmatch "|([^|]*)" do
      cells[#cells + 1] = cell:gsub("\1", "|"):match "^%s*(.-)%s*$"
    end
    if not line:find "^|[-:| ]+|$" then list[#list + 1] = cells end
  end
  return list
end

-- Each `name` in a cell.
local function names_in(cell, pattern)
  local list = {}
  for text in cell:gmatch "`([^`]+)`" do
    local name = text:match("^" .. pattern)
    if name then list[#list + 1] = name end
  end
  return list
end

local function sources()
  local pipe, texts = assert(io.popen "ls core/*.c core/*/*.[ch]"), {}
  for path in pipe:lines() do texts[#texts + 1] = pages.read(path) end
  pipe:close()
  return table.concat(texts)
end

local function help()
  local pipe = assert(io.popen((os.getenv "LB" or "build/lb") .. " help"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- The lines of a paragraph of the help: what stands left of two spaces.
local function left_of_help(head)
  local list = {}
  for line in (help() .. "\n\n"):match("\n" .. head .. "[^\n]*\n(.-)\n\n"):gmatch "[^\n]+" do
    list[#list + 1] = line:match "^  (%S.-)  " or line:match "^  (%S.-)$"
  end
  return list
end

describe("the page of settings", function()
  -- The names that a table of the script may have, as C lists them to find a wrong one.
  local KNOWN_OF = {
    [""] = "void read_settings",
    listen = "static void read_listener",
    backends = "static void read_backend_table",
    log = "static void read_table",
    admin = "static void read_admin_table",
    tracing = "void tracing_read",
    ["tracing.tls"] = "static void read_tls_of_tracing",
    pages = "static void read_page_table",
    tls = "static void read_tls_table",
    certificates = "static void read_pair",
    ["discovery.ttl"] = "static void read_ttl",
    ["backends.tls"] = "static void read_remote_table",
    client = "static void read_client",
    sites = "static void read_site",
  }
  local HOOKS = { init = true, choose = true, on_failure = true, on_response = true, on_health = true, on_done = true }

  local function known_of(group)
    local list = sources():match(KNOWN_OF[group] .. "%b()\n{.-known%[%] = (%b{})")
    local names = {}
    for name in list:gmatch '"([%l_]+)"' do names[#names + 1] = name end
    return names
  end

  -- "health.rise" = { standard, least, most, or_zero }; true: a name without a number
  local function program()
    local found, groups = {}, {}
    for i = 0, sources():match "SETTINGS_GROUPS = (%d+)" - 1 do
      local group = core.settings_groups[i]
      groups[ffi.string(group.name)] = true
      for j = 0, group.count - 1 do
        local setting = group.settings[j]
        found[ffi.string(group.name) .. "." .. ffi.string(setting.name)] = setting
      end
    end
    for group, names in pairs { health = core.probes_names, discovery = core.sources_names } do
      local i = 0
      while names[i] ~= nil do
        local name = ffi.string(names[i])
        if not KNOWN_OF[group .. "." .. name] then found[group .. "." .. name] = true end
        i = i + 1
      end
    end
    for group in pairs(KNOWN_OF) do
      for _, name in ipairs(known_of(group)) do
        local is_table = groups[name] or KNOWN_OF[name]
        if group ~= "" or not (HOOKS[name] or is_table) then found[group .. "." .. name] = true end
      end
    end
    return found
  end

  -- "health.rise" = { default = "1", range = "1 to 100" }
  local function documented()
    local found, group = {}, ""
    for _, cells in ipairs(rows(section("core/reference/settings.md", "## All settings"))) do
      group = cells[1]:match "^%*%*`([%w.]+)`%*%*" or group
      local names, defaults = cells[1]:find "^%*%*" and {} or names_in(cells[1], "[%l_]+$"), cells[2]:gmatch "[^,]+"
      for _, name in ipairs(names) do
        local default = #names > 1 and defaults():match "^%s*(.-)%s*$" or cells[2]
        local is_table = group == "" and KNOWN_OF[name]
        if not is_table then found[group .. "." .. name] = { default = default, range = cells[3] } end
      end
    end
    return found
  end

  local function number(text)
    local digits, unit = text:match "^([%d.]+) ?(%a*)$"
    return tonumber(digits) and tonumber(digits) * (SIZES[unit] or unit == "" and 1)
  end

  it("has every setting, and no other", function() agree(program(), documented(), 50) end)

  it("has the lists of the script's own table", function()
    local listed = {}
    for _, cells in ipairs(rows(section("core/reference/settings.md", "## All settings"))) do
      for _, name in ipairs(names_in(cells[1], "[%l_]+$")) do listed[name] = true end
    end
    for _, name in ipairs(known_of "") do assert.truthy(HOOKS[name] or listed[name], name) end
  end)

  it("compares all lists of names", function()
    local _, lists = sources():gsub("const char %*const known%[%] = {", "")
    local count = 0
    for _ in pairs(KNOWN_OF) do count = count + 1 end
    assert.equal(count, lists)
  end)

  local FLAGS = { ["`true`"] = 1, ["`false`"] = 0 }

  it("has their defaults and ranges, where they are numbers", function()
    local page, count = documented(), 0
    for name, setting in pairs(program()) do
      if setting ~= true then
        local seen = assert(page[name], name)
        if FLAGS[seen.default] then
          assert.equal(setting.standard, FLAGS[seen.default], name)
        else
          assert.equal(setting.standard, number(seen.default), name)
          local zero, least, most = seen.range:match "^(0? ?o?r? ?)([%d.]+ ?%a*) to ([%d.]+ ?%a*)$"
          assert.equal(setting.least, number(least or ""), name .. ": " .. seen.range)
          assert.equal(setting.most, number(most), name .. ": " .. seen.range)
          assert.equal(setting.or_zero and setting.least > 0, zero == "0 or ", name .. ": " .. seen.range)
        end
        count = count + 1
      end
    end
    assert.is_true(count > 30)
  end)

  -- What lb check prints of a script that sets nothing but these.
  local function printed(source)
    local segment, err, out = core.segment_new(), ffi.new "struct buffer", ffi.new "struct buffer"
    local config = core.config_load_text("x.lua", ffi.new("struct slice", source, #source), nil, segment, err)
    assert(config ~= nil)
    core.config_print(config, out)
    local text = ffi.string(out.bytes + out.start, tonumber(out["end"] - out.start))
    core.config_free(config)
    core.buffer_dispose(out)
    core.segment_free(segment)
    return assert(loadstring(text))()
  end

  it("has the other defaults as lb check prints them", function()
    local plain = printed "return { backends = 'a:1' }"
    local checked = printed "return { backends = 'a:1', health = { type = 'http' } }"
    local count = 0
    for name, seen in pairs(documented()) do
      local group, key = name:match "^(.-)%.(.*)$"
      local literal = seen.default:match "^`(.*)`$"
      local value = (group == "" and plain or plain[group] or {})[key]
      if value == nil and group == "health" then value = checked.health[key] end
      if type(value) == "table" then value = value[1] end
      if literal and value ~= nil then
        assert.equal(value, assert(loadstring("return " .. literal))(), name)
        count = count + 1
      end
    end
    assert.is_true(count >= 8, count)
  end)

  it("has what scripts/lb_settings.d.lua shows editors", function()
    local types = pages.read "scripts/lb_settings.d.lua"
    for name in pairs(program()) do
      local key = name:match "[%l_]+$"
      assert.truthy(types:find("%-%-%-@field " .. key .. "%??%s"), name)
    end
  end)
end)

describe("the page of the command line", function()
  local PAGE = "core/reference/command_line.md"

  it("has every option, and no other", function()
    local program, page = {}, {}
    for _, left in ipairs(left_of_help "Options") do
      for name in left:gmatch "%-%-?[%l-]+" do program[name] = true end
    end
    for _, cells in ipairs(rows(section(PAGE, "## Options"))) do
      for _, name in ipairs(names_in(cells[1], "(%-%-?[%l-]+)")) do page[name] = true end
    end
    agree(program, page, 10)
  end)

  it("has every variable of the environment, and no other", function()
    local program, page = {}, {}
    for _, left in ipairs(left_of_help "Environment") do program[left] = true end
    for _, cells in ipairs(rows(section(PAGE, "## Options"))) do
      for _, name in ipairs(names_in(cells[2], "[%u_]+$")) do page[name] = true end
    end
    agree(program, page, 3)
  end)

  it("has every signal, and no other", function()
    local program, page = {}, {}
    for _, left in ipairs(left_of_help "Signals") do
      for name in left:gmatch "SIG%u+%d?" do program[name] = true end
    end
    for _, cells in ipairs(rows(section(PAGE, "## Signals"))) do
      for _, name in ipairs(names_in(cells[1], "SIG%u+%d?$")) do page[name] = true end
    end
    agree(program, page, 5)
  end)

  it("has every exit status, and no other", function()
    local program, page = {}, {}
    for _, left in ipairs(left_of_help "Exit status") do program[left] = true end
    for _, cells in ipairs(rows(section(PAGE, "## Exit status"))) do
      if cells[1]:find "^%d+$" then page[cells[1]] = true end
    end
    agree(program, page, 3)
  end)

  it("has every command", function()
    for command in help():gmatch "\n  (lb %l*)" do
      assert.truthy(pages.read(PAGE):find("\n" .. command, 1, true), command)
    end
  end)
end)

describe("the page of the log", function()
  local PAGE = "core/reference/log.md"

  it("has every member of a request's line, and no other", function()
    local program, page = {}, {}
    for name in pages.read("core/proxy/access_log.c"):gmatch '\\"([%l_]+)\\":' do program[name] = true end
    for _, cells in ipairs(rows(section(PAGE, "## Lines of requests"):gsub("| outcome.-\n\n", ""))) do
      local names = names_in(cells[1], "[%l_]+$")
      for _, name in ipairs(names) do page[name] = true end
      if names[1] == "tries" or names[1] == "policy" and names_in(cells[2], "script$")[1]
        or names[1] == "tls" and names_in(cells[2], "cipher$")[1] then
        for _, name in ipairs(names_in(cells[2], "[%l_]+$")) do page[name] = true end
      end
    end
    agree(program, page, 20)
  end)

  it("has every outcome of a try, and no other", function()
    local program, page = {}, {}
    local list = sources():match "attempt_outcome_name%b()\n{.-(%b{})"
    for name in list:gmatch '%] = "([%l_]+)"' do program[name] = name ~= "none" or nil end
    for _, cells in ipairs(rows("\n" .. section(PAGE, "## Lines of requests"):match "| outcome.-\n\n")) do
      for _, name in ipairs(names_in(cells[1], "[%l_]+$")) do page[name] = true end
    end
    agree(program, page, 10)
  end)

  -- Functions that take the name of an event, and at which place.
  local function takers(text)
    local found = {}
    for name, parameters in text:gmatch "([%l_]+)(%b())[ %u%d(),]*[;\n]" do
      local place = 0
      for parameter in parameters:sub(2, -2):gmatch "[^,]+" do
        place = place + 1
        if parameter:find "const char %*event$" then found[name] = place end
      end
    end
    return found
  end

  -- log_event(LOG_ERROR, is_monitor ? "monitor_hung" : "worker_hung", pairs, ..
  local function events()
    local text, found = sources(), {}
    local taken = takers(text)
    assert(taken.log_event == 2 and taken.check_last_words == 1)
    for called, wanted in pairs(taken) do
      for arguments in text:gmatch("%f[%w_]" .. called .. "(%b())") do
        local place = 0
        for argument in arguments:sub(2, -2):gmatch "[^,]+" do
          place = place + 1
          for name in (place == wanted and argument or ""):gmatch '"([%l_]+)"' do found[name] = true end
        end
      end
    end
    return found
  end

  -- LOG_PAIRS({"backend", name}, {is_signal ? "#signal" : "#status", text}), or a list by hand;
  -- where there is NULL in the place of a name the list ends
  local function members()
    local text, found = sources(), {}
    local function note(list)
      for name in list:gmatch '{%s*"#?([%l_]+)"' do found[name] = true end
      for one, other in list:gmatch '{[^{}"]*%? "#?([%l_]+)" : "?#?([%w_]+)"?' do
        found[one], found[other] = true, other ~= "NULL" or nil
      end
    end
    for list in text:gmatch "LOG_PAIRS(%b())" do note(list) end
    for list in text:gmatch "struct log_pair[%w_ %[%]%)=]*({%s*{.-NULL, NULL})" do note(list) end
    for name in text:gmatch '%(struct log_pair%){"#?([%l_]+)"' do found[name] = true end
    return found
  end

  it("has every event, and no other", function()
    local page = {}
    for _, cells in ipairs(rows(section(PAGE, "## Events"))) do
      for _, name in ipairs(names_in(cells[1], "[%l_]+$")) do page[name] = true end
    end
    agree(events(), page, 50)
  end)

  it("has every member of an event, and no other", function()
    local page = {}
    for _, cells in ipairs(rows(section(PAGE, "## Events"))) do
      for _, name in ipairs(names_in(cells[2], "[%l_]+$")) do page[name] = true end
    end
    agree(members(), page, 30)
  end)
end)
