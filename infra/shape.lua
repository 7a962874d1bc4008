-- Measures the files of this repository and refuses those that are hard to read.
--
--   luajit infra/shape.lua            refuses; prints each fault as file:line
--   luajit infra/shape.lua figures    prints the lines of core/, and the longest of each kind
--
-- A function of C has at most 40 lines between its braces, a file at most 500 lines, and a comment
-- or a line of Markdown ends at column 100. What cannot be wrapped is excused: a row of a table, a
-- line of a code block, an annotation for editors (---@), and a line that is one long word, such as
-- an address.

local FUNCTION_LINES, FILE_LINES, COLUMNS = 40, 500, 100

local faults, longest = {}, { ["function"] = 0, file = 0, text = 0 }
local core_lines = 0

local function measure(kind, size, bound, file, line, message)
  longest[kind] = math.max(longest[kind], size)
  if size > bound then faults[#faults + 1] = ("%s:%d: %s"):format(file, line, message:format(size, bound)) end
end

-- Characters, not bytes: every byte that does not continue one of UTF-8.
local function width(text) return select(2, text:gsub("[^\128-\191]", "")) end

local function is_one_word(text) return not text:match "^%s*[%-/*#>]*%s*%S+%s+%S" end

local function check_width(file, line, text)
  if is_one_word(text) then return end
  measure("text", width(text), COLUMNS, file, line, "text of %d columns, %d are enough")
end

-- Each of these gets the file's lines. Comments are found by how the formatter leaves them.
local function check_functions(file, lines)
  local start
  for number, text in ipairs(lines) do
    if text:match "^{" then start = number end
    if text:match "^}" and start then
      measure("function", number - start - 1, FUNCTION_LINES, file, start, "a function of %d lines, %d are enough")
      start = nil
    end
  end
end

local function check_c_comments(file, lines)
  local inside = false
  for number, text in ipairs(lines) do
    local opens = text:find("/*", 1, true)
    if inside or opens or text:find("//", 1, true) then check_width(file, number, text) end
    local closes = text:find("*/", opens or 1, true)
    if opens then inside = true end
    if closes then inside = false end
  end
end

local function check_dash_comments(mark)
  return function(file, lines)
    for number, text in ipairs(lines) do
      local has_comment = text:match("^%s*" .. mark) or text:match("%s" .. mark .. "%s")
      if has_comment and not text:match "^%-%-%-@" then check_width(file, number, text) end
    end
  end
end

local function check_markdown(file, lines)
  local in_code = false
  for number, text in ipairs(lines) do
    if text:match "^%s*```" then
      in_code = not in_code
    elseif not in_code and not text:match "^%s*|" then
      check_width(file, number, text)
    end
  end
end

local checks = {
  c = { check_functions, check_c_comments }, h = { check_c_comments },
  lua = { check_dash_comments "%-%-" }, sh = { check_dash_comments "#" }, md = { check_markdown },
}

local list = assert(io.popen "git ls-files")
for file in list:lines() do
  local kind_checks = checks[file:match "%.(%w+)$"]
  local handle = kind_checks and io.open(file)
  if handle then
    local lines = {}
    for text in handle:lines() do lines[#lines + 1] = text end
    handle:close()
    if file:match "^core/.*%.[chl]u?a?$" then core_lines = core_lines + #lines end
    measure("file", #lines, FILE_LINES, file, 1, "a file of %d lines, %d are enough")
    for _, check in ipairs(kind_checks) do check(file, lines) end
  end
end
list:close()

for _, found in ipairs(faults) do print(found) end

if arg[1] == "figures" then
  print(("core: %d lines; longest function %d, longest file %d, widest comment or text %d"):format(core_lines,
    longest["function"], longest.file, longest.text))
end
print(("shape: %d wrong"):format(#faults))
os.exit(#faults == 0 and 0 or 1)
