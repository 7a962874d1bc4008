-- Connections counted by the address of the client, over all workers.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
uint64_t clients_by_address_key(const struct segment *, const uint8_t client[16]);
struct by_address_network { uint8_t address[16], prefix; };
void by_address_network_of(struct by_address_network *, const void *address) __asm__("network_of_client");
uint32_t clients_by_address_add(struct segment *, unsigned worker, uint64_t key);
void clients_by_address_remove(struct segment *, unsigned worker, uint64_t key);
uint32_t clients_by_address_count(const struct segment *, uint64_t key);
void clients_by_address_forget_worker(struct segment *, unsigned worker);
bool by_address_read_address(struct slice text, void *out) __asm__("network_read_address");
struct by_address_v4 { uint16_t family, port; uint8_t ip[4]; uint8_t rest[20]; };

struct segment_counter *counters_find(struct segment *, struct slice name);
double counters_add(struct segment_counter *, double);

int fork(void);
int waitpid(int pid, int *status, int options);
void _exit(int status);
]]

local SETS, WAYS = 2048, 16

describe("connections by address", function()
  local segment

  before_each(function() segment = ffi.gc(core.segment_new(), core.segment_free) end)

  local function key_of(address, in_segment)
    local client = ffi.new "struct by_address_network"
    core.by_address_network_of(client, address)
    return core.clients_by_address_key(in_segment or segment, client.address)
  end

  local function key(text, in_segment)
    local address = ffi.new "uint8_t[28]"
    assert.is_true(core.by_address_read_address(ffi.new("struct slice", text, #text), address))
    return key_of(address, in_segment)
  end

  it("are counted over all workers", function()
    local a, b = key "192.0.2.1", key "192.0.2.2"
    assert.equal(1, core.clients_by_address_add(segment, 0, a))
    assert.equal(2, core.clients_by_address_add(segment, 3, a))
    assert.equal(3, core.clients_by_address_add(segment, 3, a))
    assert.equal(1, core.clients_by_address_add(segment, 3, b))
    core.clients_by_address_remove(segment, 3, a)
    assert.equal(2, core.clients_by_address_count(segment, a))
    core.clients_by_address_remove(segment, 3, a)
    core.clients_by_address_remove(segment, 0, a)
    assert.equal(0, core.clients_by_address_count(segment, a))
    assert.equal(1, core.clients_by_address_count(segment, b))
  end)

  it("of a worker that died are forgotten, and connections of other workers are not", function()
    local a = key "192.0.2.1"
    for _ = 1, 5 do core.clients_by_address_add(segment, 0, a) end
    core.clients_by_address_add(segment, 1, a)
    core.clients_by_address_forget_worker(segment, 0)
    core.clients_by_address_forget_worker(segment, 0)
    assert.equal(1, core.clients_by_address_count(segment, a))
    assert.equal(2, core.clients_by_address_add(segment, 0, a))
  end)

  it("that find no room in a worker are not counted there, until there is some", function()
    for i = 1, WAYS do assert.equal(1, core.clients_by_address_add(segment, 0, i * SETS + 7)) end
    local late = (WAYS + 1) * SETS + 7
    assert.equal(0, core.clients_by_address_add(segment, 0, late))
    assert.equal(1, core.clients_by_address_add(segment, 1, late))
    assert.equal(2, core.clients_by_address_add(segment, 0, SETS + 7), "who is there has room")
    core.clients_by_address_remove(segment, 0, 3 * SETS + 7)
    assert.equal(2, core.clients_by_address_add(segment, 0, late))
    for i = 1, WAYS do
      if i ~= 3 then assert.equal(i == 1 and 2 or 1, core.clients_by_address_count(segment, i * SETS + 7)) end
    end
  end)

  it("go by the whole of an IPv4 address, written either way", function()
    local v4 = ffi.new("struct by_address_v4", { family = 2, ip = { 192, 0, 2, 1 } })
    assert.equal(key "192.0.2.1", key_of(v4))
    assert.equal(key "192.0.2.1", key "::ffff:192.0.2.1")
    assert.are_not.equal(key "192.0.2.1", key "192.0.2.2")
    assert.are_not.equal(key "192.0.2.1", key "::192.0.2.1")
  end)

  it("go by the first 64 bits of an IPv6 address, unless it is link-local", function()
    assert.equal(key "2001:db8:1:2::1", key "2001:db8:1:2:ffff::9")
    assert.are_not.equal(key "2001:db8:1:2::1", key "2001:db8:1:3::1")
    assert.are_not.equal(key "fe80::1", key "fe80::2")
  end)

  it("are under another key in each balancer", function()
    local other = ffi.gc(core.segment_new(), core.segment_free)
    assert.are_not.equal(key "192.0.2.1", key("192.0.2.1", other))
  end)

  -- Each process takes a place if there is one, holds it for a moment and gives it back. While it
  -- holds one, it must never see more taken than there are. In the end none is taken.
  it("are never more than the limit if a worker that sees too many takes its own back, all at once", function()
    local LIMIT, WORKERS, TIMES, a = 1, 4, 50000, key "192.0.2.1"
    local places = core.counters_find(segment, ffi.new("struct slice", "places", 6))
    local pids = {}
    for worker = 0, WORKERS - 1 do
      local pid = ffi.C.fork()
      if pid == 0 then
        local most = 0
        for _ = 1, TIMES do
          if core.clients_by_address_add(segment, worker, a) <= LIMIT then
            most = math.max(most, core.counters_add(places, 1))
            core.counters_add(places, -1)
          end
          core.clients_by_address_remove(segment, worker, a)
        end
        ffi.C._exit(most > LIMIT and 1 or most == 0 and 2 or 0)
      end
      pids[#pids + 1] = pid
    end
    local without = 0
    for _, pid in ipairs(pids) do
      local status = ffi.new "int[1]"
      assert.equal(pid, ffi.C.waitpid(pid, status, 0))
      assert.are_not.equal(1 * 256, status[0], "there were too many")
      -- Others had the places, and stood still.
      if status[0] == 2 * 256 then without = without + 1 end
    end
    assert.truthy(without < WORKERS)
    assert.equal(0, core.clients_by_address_count(segment, a))
  end)
end)
