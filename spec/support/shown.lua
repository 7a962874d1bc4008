-- Text as the log shows it if a client has chosen it, one byte after the other: what the fast way in
-- base/log_text.c is compared with.
local named = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }

return function(text, limit, is_json)
  local out = {}
  for byte in text:gmatch "." do
    local code = byte:byte()
    if code < 0x20 or code > 0x7e or byte == "\\" or (byte == '"' and is_json) then
      byte = named[byte] or ((is_json and "\\u00%02x" or "\\x%02x"):format(code))
    end
    if #byte > limit then return table.concat(out) .. "..." end
    limit = limit - #byte
    out[#out + 1] = byte
  end
  return table.concat(out)
end
