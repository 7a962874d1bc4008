---@meta lb_hooks
-- What hooks are shown, and what they may answer: see lb.d.lua.

---A field that is set: a list is one that comes more than once; false removes it.
---@alias lb.HeaderValue string|number|(string|number)[]
---@alias lb.HeaderChange lb.HeaderValue|false

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

---@class (exact) lb.Grpc
---@field service string?
---@field method string?
---@field timeout number? seconds

--- How the client's connection was secured.
---@class (exact) lb.Tls
---@field version "1.2"|"1.3"
---@field cipher string
---@field name string? that the client named, in lower case
---@field alpn string? the protocol that both agreed upon
---@field resumed boolean
---@field fingerprint string? JA4
---@field client lb.TlsClient? nil: it has shown no certificate

--- A client's certificate.
---@class (exact) lb.TlsClient
---@field verified boolean
---@field error string? why it is not verified
---@field subject string
---@field issuer string
---@field names { dns: string[], uri: string[], email: string[] }
---@field serial string
---@field sha256 string
---@field not_after number seconds since 1970
---@field pem string

--- A request, as hooks see it.
---@class lb.Ctx
---@field id string
---@field trace_id string? 32 hex digits; nil: without the setting tracing
---@field method string
---@field path string as it came
---@field clean_path string? to compare: decoded, dots resolved; see Guards
---@field clean_path_error string? why there is none
---@field query string
---@field version "1.0"|"1.1"|"2" of HTTP
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
---@field tls lb.Tls? nil: plain HTTP
---@field grpc lb.Grpc? nil: it is no gRPC call
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
---For `lb explain`: the numbers of the backend that is returned, and of another one.
---@param one lb.Backend
---@param value number
---@param other? lb.Backend
---@param others? number
function ctx:compared(one, value, other, others) end
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
---@field grpc_status integer? of a gRPC call
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
---@field protocol "http"|"https"|"h2"|"h2c"
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
---@field kind "connect"|"timeout"|"reset"|"protocol"|"resolve"|"tls"
---@field phase "connect"|"request"|"head"|"body"
---@field message string

---@class (exact) lb.Response
---@field status integer
---@field grpc_status integer? of a gRPC call whose answer is a head only
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
