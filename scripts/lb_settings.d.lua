---@meta lb_settings
-- What a script may set: see lb.d.lua.

---@class (exact) lb.BackendTlsSettings
---@field name? string
---@field ca? string
---@field cert? string
---@field key? string
---@field verify? boolean

---@class (exact) lb.BackendSettings
---@field address string
---@field name? string
---@field weight? number
---@field tags? table<string, string>
---@field max_in_flight? integer
---@field tls? lb.BackendTlsSettings

---@class (exact) lb.HealthSettings
---@field type? "tcp"|"http"|"grpc"
---@field path? string
---@field host? string
---@field status? integer|string|(integer|string)[]
---@field service? string
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
---@field tls_handshake? number
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
---@field per_client_requests? integer
---@field connection_age? number
---@field memory? integer
---@field attempts? integer
---@field retry_budget? number

---@class (exact) lb.LogSettings
---@field file? string
---@field format? "text"|"json"
---@field headers? string|string[]
---@field host? boolean
---@field skip? string|string[]

---@class (exact) lb.Http2Settings
---@field backend_streams? integer
---@field streams? integer
---@field websocket? boolean

---@class (exact) lb.DrainSettings
---@field delay_s? number

--- Of backends from sources: core/reference/discovery.md.
---@class (exact) lb.DiscoverySettings
---@field interval? number
---@field min? integer
---@field max_drop? number a fraction
---@field confirm? integer
---@field drain? number
---@field ttl? lb.DiscoveryTtlSettings
---@field allow? string|string[]
---@field servers? string|string[] of DNS, instead of those of resolv.conf

---@class (exact) lb.DiscoveryTtlSettings
---@field min? number
---@field max? number

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
---@field tls? boolean and with a handshake, for which `tls` has the certificates
---@field h2c? boolean without TLS: clients may begin with HTTP/2

---@class (exact) lb.Certificate
---@field cert string the path of the chain, the site's own certificate first
---@field key string

--- What clients have to show.
---@class (exact) lb.TlsClientSettings
---@field verify? "none"|"request"|"require"
---@field ca? string the path of the certificates that sign theirs
---@field crl? string
---@field depth? integer
---@field forward? boolean backends get Client-Cert (RFC 9440)

---@class (exact) lb.TlsSiteSettings
---@field client? lb.TlsClientSettings

---@class (exact) lb.TlsSettings
---@field certificates? string|(string|lb.Certificate)[] paths of files with certificate and key, patterns of them, or pairs
---@field min_version? "1.2"|"1.3"
---@field ciphers? string
---@field groups? string
---@field alpn? ("h2"|"http/1.1")[]
---@field strict? boolean
---@field ticket_keys? string the path of a file with one to three keys of 32 bytes
---@field tickets? integer
---@field records? "own"|"openssl"
---@field client? lb.TlsClientSettings
---@field sites? table<string, lb.TlsSiteSettings> by name, in place of what holds for all others

--- By status, from 400 to 599; headers: of all of them.
---@class (exact) lb.PageSettings
---@field headers? table<string, string>
---@field [integer] string|lb.Page

---@class (exact) lb.Page
---@field type? string
---@field body? string
---@field headers? table<string, string>

---@class (exact) lb.ExplainSettings
---@field keep? integer
---@field seconds? number
---@field slow? number

---@class (exact) lb.AdminSettings
---@field listen string|string[]
---@field token? string
---@field hosts? string|string[]

--- Of requests: core/reference/tracing.md.
---@class (exact) lb.TracingSettings
---@field to string the URL of a collector, "http://127.0.0.1:4318/v1/traces"
---@field headers? table<string, string>
---@field tls? lb.TracingTlsSettings
---@field part? number from 0 to 1, of the traces that begin here
---@field always? ("failed"|"retried"|"slow")[]
---@field slow_s? number
---@field trust? "trusted_proxies"|"all"|"none"
---@field service? string

---@class (exact) lb.TracingTlsSettings
---@field name? string
---@field ca? string
---@field cert? string
---@field key? string
---@field verify? boolean

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
---@field tls? lb.TlsSettings
---@field admin? string|lb.AdminSettings
---@field tracing? lb.TracingSettings
---@field health? lb.HealthSettings|fun(backend: lb.Backend): boolean, string?
---@field timeouts? lb.TimeoutSettings
---@field limits? lb.LimitSettings
---@field h2? lb.Http2Settings
---@field drain? lb.DrainSettings
---@field discovery? lb.DiscoverySettings
---@field script? lb.ScriptSettings
---@field explain? lb.ExplainSettings
---@field init? fun()
---@field choose? fun(ctx: lb.Ctx, backends: lb.Backends): lb.Choice, lb.ChoiceOptions|string|nil
---@field on_response? fun(ctx: lb.Ctx, backend: lb.Backend, res: lb.Response): "retry"|"next"|lb.Answer|nil, lb.ReviewOptions?
---@field on_failure? fun(ctx: lb.Ctx, backend: lb.Backend, err: lb.Failure): "retry"|"next"|"fail"|nil
---@field on_done? fun(ctx: lb.Ctx)
---@field on_health? fun(backend: lb.Backend, up: boolean, reason: string)
