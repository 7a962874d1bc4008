-- pages - the Markdown of the repository, for specs that compare it with the program.
--
--   pages.all           every page
--   pages.reference     core/reference: for users
--   pages.policies      scripts: for authors of policies
--   pages.with_examples the pages that have Lua
--   pages.read(path), pages.text(list)    the text of one, of several

local files = require "spec.support.files"

local pages = {}

local function listed(command)
  local pipe, list = assert(io.popen(command)), {}
  for path in pipe:lines() do list[#list + 1] = path:gsub("^%./", "") end
  pipe:close()
  return list
end

local FIND = "find . -name '*.md' -not -path './build/*' -not -path './.git/*' | sort"

pages.all = listed(FIND)
pages.read = files.read

pages.reference, pages.policies, pages.with_examples = {}, {}, {}
for _, path in ipairs(pages.all) do
  local list = path:find "^core/reference/" and pages.reference or path:find "^scripts/" and pages.policies
  if list then list[#list + 1] = path end
  if pages.read(path):find "\n%s*```lua" then pages.with_examples[#pages.with_examples + 1] = path end
end
assert(#pages.reference > 4 and #pages.policies > 4 and #pages.with_examples > 8)

function pages.text(list)
  local texts = {}
  for _, path in ipairs(list) do texts[#texts + 1] = pages.read(path) end
  return table.concat(texts, "\n\n")
end

return pages
