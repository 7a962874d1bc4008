-- unread - what a peer on this machine has not read yet of what the kernel has taken for it.
--
--   unread(handle)    bytes in the receive queue of the other end of a TCP connection over IPv4;
--                     nil if that end is gone
--
-- It asks the kernel about that one socket (sock_diag). Without sock_diag it searches the list of
-- all sockets, which is slow when there are many.

local bit = require "bit"
local ffi = require "ffi"

-- Another spec file may have declared some of it: each by itself.
for _, declaration in ipairs {
  "int socket(int domain, int type, int protocol);",
  "long send(int fd, const void *bytes, size_t length, int flags);",
  "long recv(int fd, void *bytes, size_t length, int flags);",
  [[struct diag_id { uint16_t sport, dport; uint32_t src[4], dst[4], interface, cookie[2]; };
    struct diag_request { uint32_t length; uint16_t type, flags; uint32_t seq, pid;
      uint8_t family, protocol, ext, pad; uint32_t states; struct diag_id id; };
    struct diag_answer { uint32_t length; uint16_t type, flags; uint32_t seq, pid;
      uint8_t family, state, timer, retrans; struct diag_id id; uint32_t expires, rqueue, wqueue, uid, inode;
      char more[512]; };]],
} do pcall(ffi.cdef, declaration) end

local SOCK_DIAG_BY_FAMILY, REQUEST = 20, 1
local netlink

local function socket()
  -- AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG.
  netlink = netlink or ffi.C.socket(16, 3 + 0x80000, 4)
  return netlink
end

local function swapped(port) return bit.bor(bit.lshift(bit.band(port, 255), 8), bit.rshift(port, 8)) end

local function number_of(ip)
  local a, b, c, d = ip:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return a and a + b * 256 + c * 65536 + d * 16777216
end

-- What waits at the end that is at from and whose peer is at to; nil if there is no such end.
local function ask(from, to)
  local request = ffi.new "struct diag_request"
  request.length, request.type, request.flags = ffi.sizeof(request), SOCK_DIAG_BY_FAMILY, REQUEST
  -- AF_INET, IPPROTO_TCP, in any state.
  request.family, request.protocol, request.states = 2, 6, 0xffffffff
  request.id.sport, request.id.dport = swapped(from.port), swapped(to.port)
  request.id.src[0], request.id.dst[0] = number_of(from.ip), number_of(to.ip)
  request.id.cookie[0], request.id.cookie[1] = 0xffffffff, 0xffffffff
  local answer = ffi.new "struct diag_answer"
  if ffi.C.send(socket(), request, ffi.sizeof(request), 0) < 0 then return nil end
  if ffi.C.recv(socket(), answer, ffi.sizeof(answer), 0) < 0 then return nil end
  return answer.type == SOCK_DIAG_BY_FAMILY and tonumber(answer.rqueue) or nil
end

local function search(from, to)
  local pattern = ("^ *%%d+: %%x+:%04X %%x+:%04X %%x%%x %%x+:(%%x+) "):format(from.port, to.port)
  for line in io.lines "/proc/net/tcp" do
    local bytes = line:match(pattern)
    if bytes then return tonumber(bytes, 16) end
  end
end

local is_answered

local function unread(handle)
  local here, there = handle:getsockname(), handle:getpeername()
  if not here or not there then return nil end
  -- Our own end is there for certain: what does not find it finds nothing.
  if is_answered == nil then is_answered = ask(here, there) ~= nil end
  return (is_answered and ask or search)(there, here)
end

return unread
