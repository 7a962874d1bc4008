-- Text as the log shows it, one byte after the other: specs compare the fast way in
-- base/log_text.c with it. What a client has chosen is ASCII afterwards. With keeps, the characters
-- of that pattern stay.
local named = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }

return function(text, limit, is_json, keeps)
  local out = {}
  local at = 1
  while at <= #text do
    local kept = keeps and text:match("^" .. keeps, at)
    local byte = kept or text:sub(at, at)
    local code = byte:byte()
    at = at + #byte
    if not kept and (code < 0x20 or code > 0x7e or byte == "\\" or (byte == '"' and is_json)) then
      byte = named[byte] or ((is_json and "\\u00%02x" or "\\x%02x"):format(code))
    end
    if #byte > limit then return table.concat(out) .. "..." end
    limit = limit - #byte
    out[#out + 1] = byte
  end
  return table.concat(out)
end
