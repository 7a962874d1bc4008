-- examples - the ```lua blocks of a page, each made something that runs.
--
--   for _, example in ipairs(examples.of "scripts/README.md") do      of a page or a list of pages
--     example.line, example.text     where it begins in the page, and what it says
--     example.kind                   "script"    returns a table itself
--                                    "members"   name = value, ..: stands in a script's table
--                                    "body"      stands in choose(ctx, backends)
--                                    "spec"      is a spec: it("..", ..)
--     example.script                 as a whole script, with three backends; of a spec nil
--   examples.count(path)             how many blocks a plain search finds
--
-- Lines keep their distance from the block's first one, so an error names a line near the
-- example's. What fits into none of these is an error: nothing is passed over.

local files = require "spec.support.files"

local examples = {}

-- Three addresses for scripts that have no backends of their own.
local BACKENDS = "127.0.0.1:9001, 127.0.0.1:9002, 127.0.0.1:9003"
local MEMBERS = "return { %s %s\n}"
local BODY = "return { backends = os.getenv 'BACKENDS' or %q, choose = function(ctx, backends) " ..
  "local backend = backends[1] do %s\nend return backend end }"

local function compiles(text) return (loadstring(text)) end

local function has(text, pattern) return ("\n" .. text):find(pattern) end

local function kind_of(text)
  if has(text, "\n%s*it%(") or has(text, "\n%s*describe%(") then return "spec" end
  if has(text, "\nreturn {") or has(text, "\nreturn [%w_]+ {") or has(text, "\nreturn require") then
    if compiles(text) then return "script", text end
  elseif text:gsub("%-%-[^\n]*", ""):find "^%s*[%a_][%w_]*%s*=[^=]" then
    local own = has(text, "[^%w_.]backends%s*=[^=]")
    local members = MEMBERS:format(own and "" or ("backends = %q,"):format(BACKENDS), text)
    if compiles(members) then return "members", members end
  else
    local body = BODY:format(BACKENDS, text)
    if compiles(body) then return "body", body end
  end
end

local function add_examples_of(path, found)
  local begun, block = nil, nil
  local number = 0
  for line in (files.read(path) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if block and line:find "^%s*```%s*$" then
      local text = table.concat(block, "\n")
      local kind, script = kind_of(text)
      if not kind then
        error(("%s:%d: this example is no script, no members of one and no inside of choose: %s"):format(path, begun,
          select(2, loadstring(text))))
      end
      found[#found + 1] = { path = path, line = begun, text = text, kind = kind, script = script }
      block = nil
    elseif block then
      block[#block + 1] = line
    elseif line:find "^%s*```lua" then
      begun, block = number, {}
    end
  end
  assert(not block, path .. ": an example has no end")
end

function examples.of(paths)
  local found = {}
  for _, path in ipairs(type(paths) == "table" and paths or { paths }) do add_examples_of(path, found) end
  return found
end

function examples.count(path) return select(2, ("\n" .. files.read(path)):gsub("\n[ \t]*```lua", "")) end

return examples
