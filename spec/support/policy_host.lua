-- The real host of policies, which C calls in lb, called without sockets: load, choose, unload.
--
--   after_each(host.unload)
--   host.load_choose "return backends[1]"   a script whose choose has this body
--   host.choose().backend                   what it decides for host.request and host.choice
local ffi = require "ffi"
local luassert = require "luassert"
local core = require "spec.support.core"

if not pcall(ffi.new, "struct facts_request") then
  ffi.cdef [[
struct arena { char *next, *end; void *blocks; };
struct policy_field { struct slice name, value; };
struct policy_head {
  int version;
  struct slice method, target;
  unsigned status;
  struct slice reason;
  struct policy_field *fields;
  unsigned fields_count;
  const unsigned char *kinds;
  uint32_t seen;
};
struct host_tls_client {
  struct slice error, subject, issuer, serial, sha256, pem, dns, uri, email;
  int64_t not_after;
};
struct host_tls {
  struct slice version, cipher, name, alpn, traits;
  bool resumed;
  const struct host_tls_client *client;
};
struct facts_request {
  struct slice id, method, target, path, query, host, scheme, client_ip, listener;
  uint32_t client_port, attempts, retries, tries, idempotent, replayable;
  double deadline_ms;
  const struct policy_head *head;
  struct arena *arena;
  uint32_t allow_replay;
  int32_t vars;
  uint32_t finals;
  uint32_t last;
  void *compared;
  uint32_t by_fallback, is_trusted;
  void *explained;
  struct slice authority;
  uint64_t client;
  struct slice clean_path;
  const char *clean_path_fault;
  bool has_clean_path, has_compared_host, no_log;
  const struct host_tls *tls;
  const void *grpc, *trace;
};
struct facts_failure { uint32_t kind, phase; struct slice message; uint32_t backend; };
struct facts_choice { const uint32_t *backends; uint32_t count; uint64_t generation; bool panic; };
struct facts_decision {
  int kind;
  uint32_t backend;
  bool by_fallback, failed;
  struct slice why;
  uint32_t status;
  int review;
  struct slice body;
  struct policy_field *fields;
  uint32_t fields_count;
  void *overrides;
  bool is_costly;
};
struct binding_call {
  struct facts_request *request;
  double number;
  const uint32_t *backends;
  int32_t check;
  uint32_t count, list, backend, timer, panic;
  const struct facts_failure *failure;
  const void *response;
  uint32_t status;
  const void *result;
  uint32_t final, has_ctx;
  struct facts_decision *decision;
  uint32_t fields_room;
  struct slice wrong;
};
struct config_given {
  struct { const char **list; unsigned count; const char *source; } listen, backends;
  struct { const char *text, *source; } workers, log_format;
};
]]
end
ffi.cdef [[
void arena_init(struct arena *, void *first, size_t bytes);
void arena_dispose(struct arena *);
void board_init(struct segment *, unsigned backends);
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
struct config;
/* settings.lua declares it, too, and a function has one declaration in this process. */
struct config *policy_config_load(const char *name, struct slice source, const struct config_given *,
                                  struct segment *, struct buffer *error) __asm__("config_load_text");
void config_free(struct config *);
struct policy;
struct loop;
struct policy_call { void *own[64]; };
struct policy *policy_new(const struct config *, struct segment *, struct loop *, unsigned worker,
                          struct buffer *error);
void policy_free(struct policy *);
int policy_choose(struct policy *, struct policy_call *, struct facts_request *, const struct facts_choice *,
                  struct facts_decision *);
int policy_on_failure(struct policy *, struct policy_call *, struct facts_request *, const struct facts_failure *,
                      int *verdict);
void policy_forget(struct policy *, struct facts_request *);
bool policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields, const char *body, size_t length);
bool policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
uint32_t policy_backend_state(const struct segment *, uint32_t backend) __asm__("steering_state");
uint32_t policy_backend_in_flight(const struct segment *, uint32_t backend);
double policy_backend_requests(const struct segment *, uint32_t backend);
double policy_backend_failures(const struct segment *, uint32_t backend);
uint32_t policy_backend_failures_in_row(const struct segment *, uint32_t backend);
void parking_forget(struct segment *);
int raise(int signal);
void log_open(int events, int lines, int least, const char *process);
]]

local SILENT = 4 -- above LOG_ERROR

core.log_open(0, 0, SILENT, "spec")

-- Of the script that is loaded: policy, config, request and choice.
local host = { segment = core.segment_new(), asking = ffi.new "struct policy_call" }
local arena, held
local indices = ffi.new("uint32_t[3]", 0, 1, 2)

function host.text(slice) return ffi.string(slice.start, slice.length) end

local function slice(bytes) return ffi.new("struct slice", bytes, #bytes) end
host.slice = slice

local HEADERS = { "Host", "example.org", "User-Agent", "curl/8", "X-User", "anna" }
local request_texts = {
  id = "r1", method = "GET", target = "/api?q=1", path = "/api", query = "q=1", host = "example.org", scheme = "http",
  client_ip = "192.0.2.7",
}

local function new_request()
  held = { room = ffi.new "char[4096]", fields = ffi.new("struct policy_field[?]", #HEADERS / 2) }
  for i = 1, #HEADERS, 2 do
    held.fields[(i - 1) / 2].name = slice(HEADERS[i])
    held.fields[(i - 1) / 2].value = slice(HEADERS[i + 1])
  end
  arena = ffi.new "struct arena"
  core.arena_init(arena, held.room, 4096)
  held.head = ffi.new("struct policy_head", { version = 1, fields = held.fields, fields_count = #HEADERS / 2 })
  host.request = ffi.new("struct facts_request", {
    client_port = 50000, attempts = 1, tries = 1, idempotent = 1, replayable = 1, head = held.head, arena = arena,
  })
  for field, bytes in pairs(request_texts) do host.request[field] = slice(bytes) end
end

-- Loads it with three backends that are up. Returns what is wrong with it, or false.
function host.load(source)
  local backends = ffi.new("const char *[3]", { "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003" })
  local listen = ffi.new("const char *[1]", { "127.0.0.1:3030" })
  local given = ffi.new("struct config_given", { listen, 1, "--listen" }, { backends, 3, "--backend" })
  local message = ffi.new "struct buffer"
  host.config = core.policy_config_load("t.lua", slice(source), given, host.segment, message)
  assert(host.config ~= nil, host.config == nil and ffi.string(message.bytes, message["end"]))
  core.board_init(host.segment, 3)
  for i = 0, 2 do core.board_set_up(host.segment, i, 1, 0, 1) end
  core.parking_forget(host.segment) -- what other scripts did
  host.policy = core.policy_new(host.config, host.segment, nil, 0, message)
  local said = host.policy == nil and ffi.string(message.bytes, message["end"])
  core.buffer_dispose(message)
  held = nil
  new_request()
  host.choice = ffi.new("struct facts_choice", { backends = indices, count = 3, generation = 1 })
  return said
end

function host.choose()
  local decision = ffi.new "struct facts_decision"
  core.policy_choose(host.policy, host.asking, host.request, host.choice, decision)
  return decision
end

-- The body of choose; more: before, the text in front of the table, and settings, a text in it.
function host.load_choose(body, more)
  local said = host.load(("%s return { %s choose = function(ctx, backends) %s end }"):format(
    more and more.before or "", more and more.settings or "", body))
  assert(not said, said)
end

-- Ends the script that was loaded, if there is one.
function host.unload()
  if host.policy ~= nil then core.policy_free(host.policy) end
  if host.config ~= nil then core.config_free(host.config) end
  if arena then core.arena_dispose(arena) end
  host.policy, host.config, arena = nil, nil, nil
end

-- The text of a Lua expression in a call of choose.
function host.why(body)
  host.load_choose("return backends[1], { why = tostring(" .. body .. ") }")
  local decision = host.choose()
  luassert.is_false(decision.by_fallback)
  return host.text(decision.why)
end

return host
