-- differences - why a peer's verdict is another one than lb's.
--
--   differences.of(case, name)   the first reason that fits, or nil; case.verdicts: what was seen
--
-- A list, which is searched in this order. Each entry has peers and rules (words; none: all), saw
-- (a pattern that the peer's verdict has), cases (patterns, one of which the name has), and
--   favour   "lb": the peer does what the standards forbid, or what has been used against
--            those behind it; "choice": the standards allow both, and lb does the stricter
--            or the more faithful thing
--   why      what the peer does

local differences = {}

local function words(text)
  local list, set = {}, {}
  for word in (text or ""):gmatch "%S+" do
    list[#list + 1] = word
    set[word] = true
  end
  return list, set
end

local function add(favour, peers, rules, why, more)
  local reason = more or {}
  reason.favour, reason.why = favour, why
  reason.peers, reason.is_peer = words(peers)
  local list, set = words(rules)
  reason.is_rule = #list > 0 and set
  differences[#differences + 1] = reason
end

local function has_one(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

function differences.of(case, name)
  for _, reason in ipairs(differences) do
    if reason.is_peer[name] and (not reason.is_rule or reason.is_rule[case.rule])
      and (not reason.saw or case.verdicts[name]:find(reason.saw))
      and (not reason.cases or has_one(case.name, reason.cases)) then
      return reason
    end
  end
end

local BOTH = "haproxy nginx"

-- Bytes and lines of heads.
add("choice", BOTH, "line-ends empty-lines byte-boundaries status-line response-field interim-errors",
  "a bare LF ends a line, also where a CR or several stand before it, or none (RFC 9112, 2.2 allows that); who " ..
  "reads the same bytes strictly sees other fields", { cases = { "bare LF", "bare LFs", "LF and CR" } })
add("choice", BOTH, "empty-lines", "any number of empty lines, or line feeds, before a request is skipped")
add("lb", "nginx", "line-ends", "a CR that ends no line is taken for a part of what it stands in")
add("lb", "haproxy", "trailers",
  "trailers are hardly looked at, and not alike from one start to the next: bytes that no field may have go on",
  { saw = "^passed$" })
add("choice", "haproxy", "obs-fold byte-boundaries response-field field-names",
  "a folded line is joined with spaces (RFC 9112, 5.2 allows that, too); the backend must then read as many lines",
  { cases = { "fold", "begins with", "a space for a name" } })
add("lb", BOTH, "control-bytes response-field status-line interim-errors",
  "a NUL is passed on: RFC 9110, 5.5 wants it refused or replaced", { cases = { "NUL", "byte 0 " } })
add("choice", BOTH, "control-bytes response-field status-line",
  "control bytes are passed on, as escape sequences for somebody's terminal or log",
  { cases = { "byte %d", "control byte", "DEL", "escape" } })
add("lb", "nginx", "field-names transfer-encoding look-alikes kept-fields",
  "a line that is no field, or whose name is no token, is left out and the request goes on (RFC 9112, 5.1: 400)",
  { saw = "^passed" })
add("choice", "haproxy", "transfer-encoding", "a line that begins with white space is joined with the one before",
  { cases = { "space before" } })
add("lb", "nginx", "response-field", "fields of a response are hardly looked at: names, colons, bytes, their number")
add("choice", BOTH, "request-line",
  "the parts of a request line may stand apart by more than one space (RFC 9112, 3 allows that, and warns of it)")
add("lb", "nginx", "methods", "a method that is not all capitals, dashes and underscores is refused, though it is a " ..
  "token (RFC 9110, 9.1)")
add("lb", "nginx", "pipelining max-forwards", "a method, or an asterisk, that is well formed is refused",
  { cases = { "different methods", "OPTIONS" }, saw = "400" })
add("lb", "nginx", "pipelining", "a method in small letters is refused, though it is a token",
  { cases = { "methods" } })

-- Targets and hosts.
add("lb", "haproxy", "absolute-form persistence",
  "the absolute form goes on to the backend as it is, which RFC 9112, 3.2.1 wants in origin form",
  { saw = "changed: target" })
add("choice", "haproxy", "absolute-form", "another authority than Host's is refused (RFC 9112, 3.2.2: it wins)")
add("lb", "nginx", "absolute-form persistence", "Host goes on as it came; the authority of an absolute form should " ..
  "win (RFC 9112, 3.2.2)", { saw = "changed: Host", cases = { "absolute" } })
add("lb", "nginx", "absolute-form", "OPTIONS of a host without a path becomes OPTIONS / (RFC 9112, 3.2.4: *)")
add("lb", BOTH, "host", "no Host, several of them, or one that is none is passed on (RFC 9112, 3.2: 400)",
  { saw = "^passed$" })
add("choice", BOTH, "host persistence",
  "a request of HTTP/1.0 without Host goes on without one, or with an empty one", { saw = "changed: Host" })
add("lb", "nginx", "host content-length transfer-encoding",
  "a tab is not white space to it: a good field is refused", { saw = "refused", cases = { "white space", "tab" } })
add("lb", BOTH, "target", "bytes that no target has (RFC 9112, 3.2: 400): a fragment, and bytes above 0x7f",
  { saw = "^passed" })
add("lb", "nginx", "target", "a target that it cannot decode to a path of its own is refused, though it is none of " ..
  "its business", { saw = "refused" })
add("lb", BOTH, "target-form", "a target of a form that its method must not have, or of another scheme, is passed on",
  { saw = "^passed" })
add("lb", "nginx", "target-form max-forwards", "OPTIONS * is refused, though it is well formed",
  { saw = "refused%(400%)", cases = { "asterisk", "%*" } })

-- Framing of requests.
add("choice", "haproxy", "both-framings", "of a length and chunks the length is dropped (RFC 9112, 6.1 allows that, " ..
  "and calls it an attack)")
add("choice", "haproxy", "content-length", "equal lengths are taken for one (RFC 9112, 6.3 allows that)")
add("choice", "haproxy", "transfer-encoding", "empty elements of the list of codings are skipped (RFC 9110, 5.6.1)")
add("choice", BOTH, "pipelining", "what is passed on alone is passed on behind another request, too: see its rule",
  { saw = "more than it" })
add("lb", BOTH, "chunk-crlf chunk-size",
  "what is no chunk is taken for one: white space behind a size, a bare LF, or nothing, where a CRLF must be " ..
  "(RFC 9112, 7.1); the backend gets a whole request")
add("choice", BOTH, "chunk-extension", "extensions are skipped unread to the end of the line, whatever they are")
add("choice", BOTH, "trailers response-trailers surplus connection-fields pipelining",
  "trailers are dropped, all of them (RFC 9110, 6.5.1 allows that; gRPC does not survive it)",
  { saw = "trailers dropped" })
add("lb", "haproxy", "trailers response-trailers chunks-decoded",
  "trailers go on that must not be any: of framing, routing, authentication, or of the connection (RFC 9110, 6.5.1)",
  { saw = "changed: trailers" })
add("choice", "haproxy", "trailers", "a coding among the trailers is refused", { saw = "refused" })
add("choice", BOTH, "version", "a version of 1.x above 1.1 is read as 1.1 (RFC 9110, 2.5 allows that)",
  { cases = { "HTTP/1%.[2-9]", "another version" } })
add("lb", "haproxy", "version", "a version of another major number is passed on as one of its own (RFC 9110, 15.6.6)")
add("lb", "nginx", "version", "HTTP/0.9, and versions of more digits than two, are understood (RFC 9112, 2.3)")
add("choice", BOTH, "limit-line limit-fields limit-head kept-fields end-to-end",
  "its limits are others as it is installed", { cases = { "limit", "too many", "long value", "as many", "8000" } })

-- Fields of the connection.
add("lb", "haproxy", "expect persistence",
  "an expectation of HTTP/1.0 goes on, where it means nothing (RFC 9110, 10.1.1)",
  { saw = "fields added", cases = { "[Ee]xpect" } })
add("choice", BOTH, "connection-named", "there may be any number of options in Connection",
  { cases = { "65 options" } })
add("lb", BOTH, [[connection-fields connection-named keep-alive forwarded-spoofed h2c upgrade trailers trace
  persistence interim upgrade-errors end-to-end]],
  "fields that Connection names, or that belong to one connection, go on (RFC 9110, 7.6.1: they must not), or what " ..
  "a client says of itself that only a proxy should say", { saw = "fields added" })
add("lb", "haproxy", "look-alikes", "a look-alike of a framing field goes on, which is one behind CGI")
add("lb", BOTH, "upgrade upgrade-offer upgrade-refused connection-fields h2c upgrade-errors",
  "an Upgrade goes on that is none: without Connection, of HTTP/1.0, or to h2c (RFC 9110, 7.8)",
  { saw = "Upgrade" })
add("lb", BOTH, "te upgrade connection-fields",
  "TE does not go on as RFC 9110, 10.1.4 says: from hop to hop, and by nobody who does not mean it", { saw = "TE" })
add("lb", "nginx", "upgrade", "TE: trailers is dropped where an Upgrade goes on", { cases = { "TE and" } })
add("lb", "nginx", "end-to-end", "Expect is dropped: nginx answers it itself", { saw = "fields dropped" })
add("lb", BOTH, "end-to-end max-forwards", "Max-Forwards is not counted down, or looked at (RFC 9110, 7.6.2)")
add("choice", "nginx", "trace", "a method in small letters is refused", { saw = "refused%(400%)" })
add("lb", "haproxy", "trace", "TRACE goes on though nobody wants it, and with a body (RFC 9110, 9.3.8)")

-- Responses.
add("lb", "nginx", "interim interim-1.0 interim-errors", "an interim response is taken for the final one, and the " ..
  "final one for its body; to HTTP/1.0, too (RFC 9110, 15.2)")
add("lb", "haproxy", "interim-1.0", "interim responses go to HTTP/1.0 clients (RFC 9110, 15.2)")
add("lb", "nginx", "expect early-answer", "nginx says 100 itself before the backend has decided, and takes the " ..
  "backend's own 100 for the final response")
add("choice", "haproxy", "early-answer", "a body that comes late still goes to the backend that has answered already")
add("lb", "nginx", "status-line header-less", "what has no status line is passed on as if it were HTTP/0.9, and a " ..
  "status that is none as it is")
add("lb", "haproxy", "status-line",
  "empty lines and white space before or in a status line are skipped, other minor versions, and statuses below 100 " ..
  "and above 599, passed on")
add("choice", "nginx", "status-line", "a missing reason is written anew", { saw = "reason" })
add("choice", BOTH, "response-length no-body", "equal lengths of a response are taken for one (RFC 9112, 6.3)",
  { saw = "^passed$", cases = { "equal" } })
add("lb", BOTH, "response-length response-both-framings response-coding no-body byte-boundaries",
  "a response whose length, or coding, can be read in two ways, or in none, is passed on in one of them (RFC 9112, " ..
  "6.3)")
add("lb", BOTH, "chunk-errors trailer-errors cut-visible until-close",
  "a response that is broken or cut short ends for the client as if it were whole (RFC 9112, 8)", { saw = "as whole" })
add("lb", "nginx", "cut-visible", "the beginning of a head is passed on as if it were a response of HTTP/0.9")
add("choice", "haproxy", "upgrade-body upgrade-refused upgrade",
  "an Upgrade is dropped where there is a body (RFC 9110, 7.8 allows that; docker exec needs it)",
  { saw = "Upgrade", cases = { "body", "chunk" } })
add("lb", BOTH, "upgrade upgrade-body", "no tunnel behind an interim response", { cases = { "interim" } })
add("lb", BOTH, "upgrade", "a tunnel ends as soon as one side has nothing more to say: half-close does not pass",
  { cases = { "half" } })
add("lb", "haproxy", "upgrade upgrade-offer", "an Upgrade to WebSocket that is none to it is refused, not ignored " ..
  "(RFC 9110, 7.8): of HTTP/1.0, or with another key than it expects", { saw = "refused" })
add("lb", BOTH, "upgrade-errors", "a 101 to what was not asked for opens a tunnel (RFC 9110, 15.2.2)")

return differences
