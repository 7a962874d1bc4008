-- files.read(path): the text of a file, which must be there.
local files = {}

function files.read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

return files
