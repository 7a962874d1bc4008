-- readings - do lenient readers see what the strict one sees (spec/support/reader.lua)?
--
--   readings.of_requests(bytes, list, verdict), of_responses(bytes, requests, ended, list, verdict)
--                    list and verdict are what the strict reader made of the bytes, and not "bad":
--                    how another reader differs, or nil
--   readings.modes                                  the lenient ones, each with a name

local reader = require "spec.support.reader"

local readings = {}

-- What a reader may do that the strict one does not:
--   lf, cr         take a bare LF, a bare CR as a line's end
--   bytes          take any byte anywhere, and ignore lines that are no field
--   fold           join folded lines;  space: ignore white space before the colon
--   line           split the first line at any white space, take any version
--   length         of several Content-Lengths take the "first" or "last", of each its first digits
--   both           with both framing fields, believe "te" or "cl"
--   coding         "contains": chunked wherever the word is; "exact": only if it is a whole value
--   nul            take names and values for ended at a NUL
--   size           take the digits that a chunk's size begins with, ignore the rest of its line
readings.modes = {
  { name = "bare LF", lf = true, bytes = true },
  { name = "bare CR", cr = true, lf = true, bytes = true },
  { name = "first wins", fold = true, space = true, line = true, length = "first", both = "cl", coding = "exact",
    size = true, lf = true, bytes = true },
  { name = "last wins", fold = true, space = true, line = true, length = "last", both = "te", coding = "contains",
    size = true, lf = true, bytes = true },
  { name = "NUL ends", nul = true, space = true, line = true, length = "first", both = "te", coding = "contains",
    size = true, lf = true, bytes = true },
}

local function difference(a, b)
  for _, name in ipairs { "from", "to", "method", "target", "status", "framing", "body" } do
    if a[name] ~= b[name] then return name end
  end
end

local function compare(strict, verdict, mode, lenient, lenient_verdict)
  for i = 1, math.max(#strict, #lenient) do
    local a, b = strict[i], lenient[i]
    if not a or not b then
      return ("%d messages, and %d for the reader '%s'"):format(#strict, #lenient, mode.name)
    end
    local name = a.is_whole and difference(a, b)
    if name or (a.is_whole or false) ~= (b.is_whole or false) then
      return ("message %d differs in '%s' for the reader '%s'"):format(i, name or "its end", mode.name)
    end
  end
  if verdict ~= lenient_verdict then
    return ("%s, and %s for the reader '%s'"):format(verdict, lenient_verdict, mode.name)
  end
end

function readings.of_requests(bytes, strict, verdict, from)
  for _, mode in ipairs(readings.modes) do
    local disagreement = compare(strict, verdict, mode, reader.requests(bytes, mode, 0, from))
    if disagreement then return disagreement end
  end
end

function readings.of_responses(bytes, requests, ended, strict, verdict)
  for _, mode in ipairs(readings.modes) do
    local disagreement = compare(strict, verdict, mode, reader.responses(bytes, requests, ended, mode))
    if disagreement then return disagreement end
  end
end

return readings
