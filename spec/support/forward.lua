-- forward - core/http/forward.h as the specs see it: one place to change with it.
local ffi = require "ffi"
require "spec.support.http" -- slices, heads and arenas

ffi.cdef [[
struct target_seen { int form; struct slice authority, origin, path, query; };
struct changes_seen { struct field_seen *list; unsigned count, room; size_t bytes; };
int changes_add(struct changes_seen *, struct arena_seen *, int of, struct slice name, const struct slice *value);
struct forward_request_given {
  const struct head_seen *head;
  const struct target_seen *target;
  int framing;
  uint64_t length;
  struct slice host, peer_ip, proto;
  bool is_trusted, adds_forwarded, wants_upgrade, drops_expect, has_max_forwards;
  uint64_t max_forwards;
  bool names_no_host;
  struct slice new_host;
  const struct changes_seen *changes;
  bool omits_via;
  struct slice traceparent;
  bool drops_tracestate;
};
struct forward_response_given {
  const struct head_seen *head;
  int framing;
  uint64_t length;
  int client_version;
  bool closes;
  struct slice date;
  bool is_upgrade;
  const struct changes_seen *changes;
  bool omits_via;
};
struct slice forward_request_head(struct arena_seen *, const struct forward_request_given *);
struct slice forward_response_head(struct arena_seen *, const struct forward_response_given *);
struct slice forward_trailers(struct arena_seen *, const struct head_seen *, const struct field_seen *, unsigned,
                              const struct changes_seen *);
]]

return require "spec.support.core"
