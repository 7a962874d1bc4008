---@meta lb
-- The API for scripts, for editors that read LuaCATS annotations (lua-language-server): what is in
-- `lb`. lb_hooks.d.lua has what hooks are shown and may answer, lb_settings.d.lua what a script may
-- set. Nothing runs these files. An editor finds all three by .luarc.json next to a script:
-- { "runtime.version": "LuaJIT", "workspace.library": ["/usr/local/share/lb/scripts"] }
-- The pages of scripts/ are the reference; a spec proves that this names exactly what lb has.

--- What every script is given.
---@class lb
---@field backends lb.Backends all of the script, in hooks and timers
lb = {}

---A count that all workers share.
---@param name string 1 to 63 bytes
---@return lb.Counter
function lb.counter(name) end

---@class lb.Counter
local counter = {}
---1, 2, .., n, 1, .. over all workers; 0 if n is 0.
---Of backends the next one in turn; the neighbour of who failed, for a second try.
---@param n integer
---@return integer
---@overload fun(self: lb.Counter, ctx: lb.Ctx, backends: lb.Backends|lb.Backend[], order?: integer[]): lb.Backend?
function counter:next(n) end
---@param k integer
---@return integer value the new one
function counter:add(k) end
---@return integer
function counter:get() end

---@class lb.Labels
---@field [integer] string names of labels, at most four
---@field max? integer how many values they may have; 100

---A total for the metrics, lb_script_NAME_total: it only grows.
---@param name string of a-z, 0-9 and _
---@param labels? lb.Labels
---@return lb.Total
function lb.total(name, labels) end

---@class lb.Total
local total = {}
---@param n? number 1; not below 0
---@param ... string|number|boolean a value for each label
function total:add(n, ...) end

---A gauge for the metrics, lb_script_NAME: it has the last value that was set.
---@param name string of a-z, 0-9 and _
---@param labels? lb.Labels
---@return lb.Gauge
function lb.gauge(name, labels) end

---@class lb.Gauge
local gauge = {}
---@param n number
---@param ... string|number|boolean a value for each label
function gauge:set(n, ...) end

---What was added in the last seconds, over all workers.
---@param name string|number
---@param seconds number
---@return lb.Window
function lb.window(name, seconds) end

---@class lb.Window
local window = {}
---@param k? number 1
---@return number? sum over the window; nil if there is no room for a new one
---@return "full"?
function window:add(k) end
---@return number sum over the window
function window:get() end

---@class (exact) lb.BucketOptions
---@field rate number tokens a second
---@field burst? number how many at most
---@field full? "closed"|"open" what take says when it cannot count; "closed"

---Tokens for each key, refilled over time, over all workers.
---@param name string
---@param options lb.BucketOptions
---@return lb.Bucket
function lb.bucket(name, options) end

---@class lb.Bucket
local bucket = {}
---@param key string|number
---@param n? number 1
---@return boolean taken
---@return number? wait seconds, if it was not taken
---@return "full"? why there was no room to count it
function bucket:take(key, n) end

---@param key string|number
---@return string|number|boolean|nil
function lb.get(key) end
---@param key string|number
---@param value string|number|boolean|nil
---@param ttl? number|{ ttl?: number, keep?: boolean } seconds; keep: over a restart, with --state
---@return true? set nil if there is no room
---@return "full"?
function lb.set(key, value, ttl) end
---Sets it if it is not there.
---@param key string|number
---@param value string|number|boolean
---@param ttl? number|{ ttl?: number, keep?: boolean } as of lb.set
---@return boolean? added nil if there is no room
---@return "full"?
function lb.add(key, value, ttl) end
---@param key string|number
---@param by? number 1
---@param ttl? number seconds, from the first
---@return number? sum nil if there is no room
---@return "full"?
function lb.incr(key, by, ttl) end

---Seconds of a clock that never jumps.
---@return number
function lb.now() end
---In hooks: others are served meanwhile.
---@param seconds number
function lb.sleep(seconds) end

---@class (exact) lb.TimerOptions
---@field once? boolean in one process of all

---@class lb.Timer
local timer = {}
function timer:cancel() end

---Once, so many seconds from now; in each worker, or with once in one process of all.
---@param seconds number
---@param fn fun()
---@param options? lb.TimerOptions
---@return lb.Timer
function lb.after(seconds, fn, options) end
---In each worker; with once in one process of all.
---@param seconds number
---@param fn fun()
---@param options? lb.TimerOptions
---@return lb.Timer
function lb.every(seconds, fn, options) end
---In one process of all; again when it is over.
---@param name string
---@param fn fun()
function lb.task(name, fn) end
---At the top of the script, in tasks and in timers with once.
---@param path string
---@return string?
---@return string? err
function lb.file(path) end

---@class (exact) lb.TlsOptions
---@field name? string
---@field ca? string path
---@field cert? string path
---@field key? string path
---@field verify? boolean

---@class (exact) lb.HttpOptions
---@field timeout? number seconds
---@field tls? lb.TlsOptions
---@field headers? table<string, string|number>
---@field via? string host:port or unix:/path to connect to, instead of the URL's host
---@field max_body? integer bytes
---@field body? string|number

---@class (exact) lb.HttpRequest: lb.HttpOptions
---@field method? string
---@field url string

---@class (exact) lb.HttpResponse
---@field status integer
---@field headers lb.Headers
---@field body string

---@class (exact) lb.HttpLinesOptions
---@field timeout? number seconds until the answer's head is there
---@field silence? number seconds without a byte after which the answer is given up
---@field tls? lb.TlsOptions
---@field headers? table<string, string|number>
---@field via? string host:port or unix:/path to connect to, instead of the URL's host
---@field max_line? integer bytes

---@class lb.HttpLines
---@field status? integer nil: there was no answer
---@field headers? lb.Headers
---@field why? string what failed; nil: the answer was whole
---@overload fun(): string?
local lines = {}
function lines:close() end

---@class lb.http
lb.http = {}
---@param url string
---@param options? lb.HttpOptions
---@return lb.HttpResponse?
---@return string? err
function lb.http.get(url, options) end
---@param url string
---@param options? lb.HttpOptions
---@return lb.HttpResponse?
---@return string? err
function lb.http.post(url, options) end
---@param request lb.HttpRequest
---@return lb.HttpResponse?
---@return string? err
function lb.http.request(request) end
---@param url string
---@param options? lb.HttpLinesOptions
---@return lb.HttpLines
function lb.http.lines(url, options) end

---@class (exact) lb.TcpOptions
---@field timeout? number seconds
---@field tls? true|lb.TlsOptions

---@class lb.DnsRecord
---@field ttl integer seconds
---@field address? string of A and AAAA
---@field target? string of SRV, as are the next three
---@field port? integer
---@field weight? integer
---@field priority? integer the lowest is asked first
---@field text? string of TXT

---@class lb.dns
lb.dns = {}
---@param name string
---@param kind "A"|"AAAA"|"SRV"|"TXT"
---@return lb.DnsRecord[]?
---@return string? err
function lb.dns.lookup(name, kind) end

---@class lb.tcp
lb.tcp = {}
---@param address string host:port
---@param options? lb.TcpOptions
---@return lb.Connection?
---@return string? err
function lb.tcp.connect(address, options) end

---@class lb.Connection
local connection = {}
---@param text string|number
---@return true?
---@return string? err
function connection:send(text) end
---A line without its end.
---@param max? integer bytes
---@return string?
---@return string? err
function connection:line(max) end
---@param n integer exactly so many bytes
---@return string?
---@return string? err
function connection:read(n) end
function connection:close() end

---@class lb.json
---@field null userdata
lb.json = {}
---@param value any
---@return string
function lb.json.encode(value) end
---@param text string
---@return any
---@return string? err
function lb.json.decode(text) end
---A table that is an array also when it is empty: the one that is given, or a new one.
---@param list? any[]
---@return any[]
function lb.json.array(list) end

---A set of addresses. Raises an error for what is no network.
---@param ... string|string[] "10.0.0.0/8", "2001:db8::/32", "192.0.2.7"
---@return lb.Net
function lb.net(...) end

---@class lb.Net
local net = {}
---Is it an address of one of them? What is none is not.
---@param address any
---@return boolean
function net:has(address) end

---The pairs of a query, decoded; 100 at most.
---@param text string ctx.query
---@return lb.Query
---@return string? too_many there are more
function lb.query(text) end

---The first value of each name.
---@class lb.Query
---@field [string] string?
local query = {}
---Each value.
---@param name string
---@return string[]
function query:all(name) end
---All pairs, in their order.
---@return fun(): string?, string?
function query:each() end

---Percent-encoding.
---@class lb.url
lb.url = {}
---@param text string
---@return string
function lb.url.encode(text) end
---@param text string
---@return string?
---@return string? err
function lb.url.decode(text) end

---With padding.
---@class lb.base64
lb.base64 = {}
---@param bytes string
---@return string
function lb.base64.encode(bytes) end
---@param text string
---@return string?
---@return string? err
function lb.base64.decode(text) end

---Without padding.
---@class lb.base64url
lb.base64url = {}
---@param bytes string
---@return string
function lb.base64url.encode(bytes) end
---@param text string
---@return string?
---@return string? err
function lb.base64url.decode(text) end

---@class lb.hex
lb.hex = {}
---@param bytes string
---@return string
function lb.hex.encode(bytes) end
---@param text string
---@return string?
---@return string? err
function lb.hex.decode(text) end

---SHA-256, as 64 hex digits.
---@param text string
---@return string
function lb.sha256(text) end
---HMAC-SHA-256, as 64 hex digits.
---@param key string
---@param text string
---@return string
function lb.hmac(key, text) end
---In constant time.
---@param a string
---@param b string
---@return boolean
function lb.equal(a, b) end
---A public key, as JSON has it (RFC 7517).
---@class lb.Jwk
---@field kty string
---@field crv? string
---@field n? string
---@field e? string
---@field x? string
---@field y? string
---@field alg? string
---@field use? string
---Is that the signature of the text? `nil` and why if the key cannot be used.
---@param algorithm "RS256"|"ES256"|"EdDSA"
---@param key string|lb.Jwk PEM or JWK
---@param text string
---@param signature string bytes, as JWS has them
---@return boolean?
---@return string? err
function lb.verify(algorithm, key, text, signature) end
---A number that lb keeps: "requests", "policy_breaches", ..
---@param name string
---@return number
function lb.metric(name) end

---@alias lb.LogGiven string|{ message: string, [string]: string|number|boolean }
---@class lb.log
lb.log = {}
---@param given lb.LogGiven
function lb.log.info(given) end
---@param given lb.LogGiven
function lb.log.warn(given) end
---@param given lb.LogGiven
function lb.log.error(given) end

---Ready to be used as choose, or in one.
---@class lb.policy
lb.policy = {}
---@param ctx lb.Ctx
---@param backends lb.Backends
---@return lb.Backend?
function lb.policy.round_robin(ctx, backends) end
---@param ctx lb.Ctx
---@param backends lb.Backends
---@return lb.Backend?
function lb.policy.least_in_flight(ctx, backends) end
---@param ctx lb.Ctx
---@param backends lb.Backends
---@return lb.Backend?
function lb.policy.p2c_ewma(ctx, backends) end
---@param ctx lb.Ctx
---@param backends lb.Backends
---@param key? string|number ctx.client
---@return lb.Backend?
function lb.policy.ring_hash(ctx, backends, key) end
---@param ctx lb.Ctx
---@param backends lb.Backends
---@return lb.Backend?
function lb.policy.random(ctx, backends) end

---A script with options of its own: require "it" { option = .., setting = .. }.
---@param options table<string, any> their defaults; false: of any kind
---@param make fun(options: table, name: string): lb.Script name: another text for each table that is made
---@return lb.Script|fun(given: table): lb.Script
function lb.script(options, make) end
