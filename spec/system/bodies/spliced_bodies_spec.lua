-- Big bodies go through the kernel alone (core/net/splice.c), which must not show.
local asking = require "spec.support.asking"
local play = require "spec.support.play"
local uv = require "luv"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SIZE = 4 * 1024 * 1024

-- 16 bytes a line, none like another: a lost, doubled or moved piece shows.
local function numbered(bytes)
  local lines = {}
  for i = 1, bytes / 16 do lines[i] = ("%015d\n"):format(i) end
  return table.concat(lines)
end

local function pipes(lb)
  local folder, count = ("/proc/%d/fd"):format(asking.worker(lb)), 0
  local directory = assert(uv.fs_scandir(folder))
  for name in uv.fs_scandir_next, directory do
    if (uv.fs_readlink(folder .. "/" .. name) or ""):find "^pipe:" then count = count + 1 end
  end
  return count
end

-- Reads length bytes in small portions, so slowly that the sender meets full buffers.
local function sip(client, length)
  local pieces, size = {}, 0
  while size < length do
    local piece = client:exactly(math.min(65536, length - size))
    pieces[#pieces + 1], size = piece, size + #piece
    client:hold()
    play.pause(0.005)
    client:go_on()
  end
  return table.concat(pieces)
end

describe("a big body", function()
  after_each(play.curtain)

  local body = numbered(SIZE)
  local counted = "HTTP/1.1 200 OK\r\nContent-Length: " .. SIZE .. "\r\n\r\n"
  local until_close = "HTTP/1.0 200 OK\r\n\r\n"

  local function in_chunks()
    local parts = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" }
    for from = 1, #body, 100000 do
      local piece = body:sub(from, from + 99999)
      parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    return table.concat(parts) .. "0\r\n\r\n"
  end

  for pace, options in pairs { fast = {}, slow = { receive_buffer = 65536 } } do
    local take = pace == "slow" and sip or function(client, length) return client:exactly(length) end

    it("with a length arrives bit-exact at a " .. pace .. " reader, again and again on one connection", function()
      local connections = 0
      local backend = play.backend(function(conn)
        connections = connections + 1
        for _ = 1, 3 do
          conn:request()
          conn:send(counted, body)
          conn:drained()
        end
      end)
      local lb = play.balancer { backends = { backend } }
      local before = pipes(lb)
      local client = play.client(lb, options)
      for _ = 1, 3 do
        client:send(GET)
        assert.equal(tostring(SIZE), client:response_head():field "content-length")
        assert.truthy(take(client, SIZE) == body)
      end
      assert.equal(SIZE, lb:exchange({ status = 200 }, 3).bytes_out)
      assert.equal(1, connections)
      assert.equal(before + 2, pipes(lb)) -- else this file shows nothing
    end)

    it("that its backend ends by closing arrives bit-exact at a " .. pace .. " reader", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(until_close, body)
        conn:drained()
        conn:finish()
      end)
      local lb = play.balancer { backends = { backend } }
      local before = pipes(lb)
      local client = play.client(lb, options)
      client:send "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
      client:response_head()
      assert.truthy(take(client, SIZE) == body)
      assert.equal("end", client:ended_by_peer())
      assert.equal(SIZE, lb:exchange({ status = 200 }).bytes_out)
      assert.equal(before + 2, pipes(lb))
    end)
  end

  it("in chunks, or that becomes chunks, is looked at", function()
    local framings = { in_chunks(), until_close .. body }
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(table.remove(framings, 1))
      conn:drained()
      conn:finish()
    end)
    local lb = play.balancer { backends = { backend } }
    local before = pipes(lb)
    for _ = 1, 2 do
      local client = play.client(lb)
      client:send(GET)
      assert.truthy(client:response().body == body)
    end
    assert.equal(before, pipes(lb))
  end)

  for _, ending in ipairs { "finish", "reset" } do
    it("that its backend cuts in the middle, by a " .. ending .. ", is cut where it was", function()
      local half = body:sub(1, SIZE / 2)
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(counted, half)
        conn:drained()
        play.pause(0.3) -- a reset would destroy what is still on its way
        conn[ending](conn)
      end)
      local lb = play.balancer { backends = { backend } }
      local before = pipes(lb)
      local client = play.client(lb)
      client:send(GET)
      client:response_head()
      assert.truthy(client:rest() == half)
      local line = lb:exchange { status = 200 }
      assert.equal(SIZE / 2, line.bytes_out)
      assert.equal("reset", line.tries[1].outcome)
      assert.equal(before + 2, pipes(lb))
    end)
  end

  it("whose backend stalls ends by timeouts.response_body, counted from its last bytes", function()
    local half = body:sub(1, SIZE / 2)
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(counted, half)
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend }, settings = "timeouts = { response_body = 0.3 }" }
    local client = play.client(lb)
    client:send(GET)
    client:response_head()
    assert.truthy(client:rest() == half)
    assert.equal("timeout", lb:exchange({ status = 200 }).tries[1].outcome)
  end)

  for _, ending in ipairs { "close", "reset" } do
    it("whose client leaves in the middle, by a " .. ending .. ", leaves nothing for the next one", function()
      local more = body:rep(4) -- than the kernel's buffers take
      local backend = play.answering(function(request) return request.target == "/big" and more or "small" end)
      local lb = play.balancer { backends = { backend } }
      for i = 1, 3 do
        local client = play.client(lb, { receive_buffer = 65536 })
        client:send "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
        client:has(i * 400000)
        client:hold()
        client[ending](client)
        assert.equal("small", lb:fetch("/").body)
        assert.equal("cancelled", lb:exchange({ status = 499 }, i).tries[1].outcome)
        assert.truthy(lb:fetch("/big").body == more)
      end
    end)
  end
end)
