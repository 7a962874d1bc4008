---@meta lb
-- The whole API for scripts, for editors that read LuaCATS annotations (lua-language-server). Nothing runs this file.
-- In .luarc.json beside a script: { "runtime.version": "LuaJIT", "workspace.library": ["/usr/local/share/lb/scripts"] }
-- The pages of scripts/ are the reference; a spec proves that this names exactly what lb has.

---A field that is set: a list is one that comes more than once; false removes it.
---@alias lb.HeaderValue string|number|(string|number)[]
---@alias lb.HeaderChange lb.HeaderValue|false

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
---@param ttl? number seconds
---@return true? set nil if there is no room
---@return "full"?
function lb.set(key, value, ttl) end
---Sets it if it is not there.
---@param key string|number
---@param value string|number|boolean
---@param ttl? number seconds
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

---@class (exact) lb.HttpOptions
---@field timeout? number seconds
---@field headers? table<string, string|number>
---@field max_body? integer bytes
---@field body? string|number

---@class (exact) lb.HttpRequest: lb.HttpOptions
---@field method? string
---@field url string

---@class (exact) lb.HttpResponse
---@field status integer
---@field headers lb.Headers
---@field body string

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

---@class (exact) lb.TcpOptions
---@field timeout? number seconds

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

---@class (exact) lb.Respond
---@field status? integer 200 to 599
---@field headers? table<string, lb.HeaderValue>
---@field body? string|number
---@field why? string for the log

---@class (exact) lb.Reject
---@field retry_after? number seconds
---@field headers? table<string, lb.HeaderValue>
---@field why? string for the log

---@class lb.Answer
---@alias lb.Choice lb.Backend|lb.Answer|nil

--- By name in any letter case; values of a repeated field are joined.
---@class lb.Headers
---@field [string] string?
local headers = {}
---Each value.
---@param name string
---@return string[]
function headers:all(name) end
---The value of a field that comes once: for keys and credentials.
---@param name string
---@return string?
---@return "repeated"? why
function headers:one(name) end
---Each field as it came: for name, value in headers:each() do
---@return fun(): string?, string?
function headers:each() end

---@class lb.Cookies
---@field [string] string?
local cookies = {}
---@param name string
---@return string[]
function cookies:all(name) end
---Each cookie as it came: for name, value in ctx.cookies:each() do
---@return fun(): string?, string?
function cookies:each() end

--- A request, as hooks see it.
---@class lb.Ctx
---@field id string
---@field method string
---@field path string as it came
---@field clean_path string? to compare: decoded, dots resolved; see Guards
---@field clean_path_error string? why there is none
---@field query string
---@field scheme "http"|"https"
---@field host string in lower case, without its port
---@field client string
---@field client_ip string
---@field client_port integer
---@field listener string
---@field headers lb.Headers
---@field cookies lb.Cookies
---@field attempts integer from 1
---@field retries integer from 0
---@field tries integer from 1
---@field idempotent boolean
---@field replayable boolean
---@field vars table
---@field result lb.Result? in on_done and ctx:finally
local ctx = {}
---@return number? seconds
function ctx:remaining() end
function ctx:allow_replay() end
---Called once when the request is over, however it ends; it may not await.
---@param f fun(ctx: lb.Ctx)
function ctx:finally(f) end
---@param n? integer then 1 to n, else [0, 1)
---@return number
function ctx:random(n) end
---No line in the access log.
function ctx:no_log() end
---@param key string
---@param value string|number|boolean
function ctx:explain(key, value) end
---@param answer lb.Respond
---@return lb.Answer
function ctx:respond(answer) end
---@param status integer
---@param options? lb.Reject
---@return lb.Answer
function ctx:reject(status, options) end
---@param url string
---@param status? 301|302|303|307|308
---@return lb.Answer
function ctx:redirect(url, status) end

---@class (exact) lb.Result
---@field status integer
---@field backend string?
---@field ms number
---@field bytes_in integer
---@field bytes_out integer
---@field attempts integer
---@field retries integer

--- Those that may be chosen, as an array.
---@class lb.Backends
---@field all lb.Backends
---@field panic boolean
---@field [integer] lb.Backend
local backends = {}
---@param f fun(backend: lb.Backend): number
---@return lb.Backend?
function backends:min(f) end
---@param name string? no name is no backend
---@return lb.Backend?
function backends:by_name(name) end
---@param n? integer 1
---@return lb.Backend? ...
function backends:sample(n) end
---@param key string|number
---@param accept? fun(backend: lb.Backend): boolean
---@return lb.Backend?
function backends:ring(key, accept) end
---@param key string
---@param value string|number
---@return lb.Backends
function backends:tagged(key, value) end

---@class lb.Backend
---@field name string
---@field address string
---@field host string
---@field port integer
---@field weight number
---@field effective_weight number
---@field tags table<string, string?>
---@field state "up"|"down"|"ejected"|"draining"
---@field since number
---@field in_flight integer
---@field pending integer
---@field requests integer
---@field failures integer
---@field consecutive_failures integer
---@field error_rate number 0 to 1
---@field ewma_ms number
---@field last_error string?
local backend = {}
---@param seconds number
---@param why? string
---@return boolean done
function backend:eject(seconds, why) end
---@return boolean done
function backend:drain() end
---@return boolean done
function backend:undrain() end
---@param n number
function backend:set_weight(n) end

---@class (exact) lb.Failure
---@field kind "connect"|"timeout"|"reset"|"protocol"|"resolve"
---@field phase "connect"|"request"|"head"|"body"
---@field message string

---@class (exact) lb.Response
---@field status integer
---@field headers lb.Headers

---@class (exact) lb.ChoiceTimeouts
---@field connect? number seconds
---@field response_head? number
---@field response_body? number

---@class (exact) lb.ChoiceOptions
---@field why? string
---@field timeouts? lb.ChoiceTimeouts
---@field deadline? number seconds for all tries
---@field request_headers? table<string, lb.HeaderChange>
---@field response_headers? table<string, lb.HeaderChange>
---@field host? string
---@field path? string

---@class (exact) lb.ReviewOptions
---@field response_headers? table<string, lb.HeaderChange>

---@class (exact) lb.BackendSettings
---@field address string
---@field name? string
---@field weight? number
---@field tags? table<string, string>
---@field max_in_flight? integer

---@class (exact) lb.HealthSettings
---@field type? "tcp"|"http"
---@field path? string
---@field host? string
---@field status? integer|string|(integer|string)[]
---@field interval? number
---@field timeout? number
---@field rise? integer
---@field fall? integer
---@field eject_after? integer
---@field eject_for? number
---@field slow_start? number
---@field panic? number
---@field check? fun(backend: lb.Backend): boolean, string?

---@class (exact) lb.TimeoutSettings
---@field connect? number
---@field request_head? number
---@field request_body? number
---@field response_head? number
---@field response_body? number
---@field keep_alive? number
---@field upstream_idle? number
---@field queue? number
---@field tunnel? number
---@field request? number

---@class (exact) lb.LimitSettings
---@field request_line? integer
---@field head? integer
---@field fields? integer
---@field body? integer
---@field replay? integer
---@field queue? integer
---@field least_rate? integer
---@field connections? integer
---@field per_client? integer
---@field memory? integer
---@field attempts? integer
---@field retry_budget? number

---@class (exact) lb.LogSettings
---@field file? string
---@field format? "text"|"json"
---@field headers? string|string[]
---@field host? boolean
---@field skip? string|string[]

---@class (exact) lb.ScriptSettings
---@field budget_ms? number
---@field park? integer
---@field connections? integer
---@field memory? integer
---@field await? number

--- An address of `listen` with options: { ":8080", proxy = true }.
---@class (exact) lb.Listener
---@field [1] string
---@field proxy? boolean each connection begins with a PROXY header

--- By status, from 400 to 599; headers: of all of them.
---@class (exact) lb.PageSettings
---@field headers? table<string, string>
---@field [integer] string|lb.Page

---@class (exact) lb.Page
---@field type? string
---@field body? string
---@field headers? table<string, string>

--- What a script returns.
---@class (exact) lb.Script
---@field listen? string|(string|lb.Listener)[]
---@field backends? string|(string|lb.BackendSettings)[]
---@field workers? integer|"auto"
---@field fallback? "round_robin"|"fail" unless given: "fail" if the script or a module of it calls ctx:reject
---@field trusted_proxies? string|string[]
---@field forwarded? boolean
---@field trace? boolean
---@field via? boolean
---@field body_first? "never"|"limited"|"always"
---@field reuse? "safe"|"all"
---@field pages? lb.PageSettings
---@field log? lb.LogSettings
---@field health? lb.HealthSettings|fun(backend: lb.Backend): boolean, string?
---@field timeouts? lb.TimeoutSettings
---@field limits? lb.LimitSettings
---@field script? lb.ScriptSettings
---@field init? fun()
---@field choose? fun(ctx: lb.Ctx, backends: lb.Backends): lb.Choice, lb.ChoiceOptions|string|nil
---@field on_response? fun(ctx: lb.Ctx, backend: lb.Backend, res: lb.Response): "retry"|"next"|lb.Answer|nil, lb.ReviewOptions?
---@field on_failure? fun(ctx: lb.Ctx, backend: lb.Backend, err: lb.Failure): "retry"|"next"|"fail"|nil
---@field on_done? fun(ctx: lb.Ctx)
---@field on_health? fun(backend: lb.Backend, up: boolean, reason: string)
