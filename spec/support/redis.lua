-- redis - as much of Redis as a lookup needs: GET, over RESP, to the letter.
--
--   redis.new { ["tenant:a"] = "one" }     a server; r.address, r.values, r.asked (the keys)
--   r:connections()                        as of an origin;  r:stop(), r:start()
--   r.trouble = "silent" | "error" | "close"        what it does instead of an answer
--   redis.reply(values, text)              what is answered to one whole request; for fake_clients

local origin = require "spec.support.origin"

local redis = {}

local function bulk(value)
  return value and ("$%d\r\n%s\r\n"):format(#value, value) or "$-1\r\n"
end

-- One request is an array of bulk strings; anything else is an error of who asks.
local function read_request(conn)
  local count = conn:line()
  if not count then return nil end
  assert(count == "*2", "an array of two words, not " .. count)
  local words = {}
  for i = 1, 2 do
    words[i] = conn:exactly(tonumber(conn:line():match "^%$(%d+)$"))
    assert(conn:line() == "", "a line end behind a word")
  end
  assert(words[1] == "GET", words[1])
  return words[2]
end

function redis.reply(values, text)
  local length, key = text:match "^%*2\r\n%$3\r\nGET\r\n%$(%d+)\r\n(.*)\r\n$"
  assert(key and tonumber(length) == #key, "no request of Redis: " .. text)
  return bulk(values[key])
end

function redis.new(values)
  local self
  self = origin.new { accept = function(conn)
    while true do
      local key = read_request(conn)
      if not key then return end
      table.insert(self.asked, key)
      if self.trouble == "close" then return end
      if self.trouble == "error" then
        conn:send "-LOADING Redis is loading the dataset in memory\r\n"
      elseif self.trouble ~= "silent" then
        conn:send(bulk(self.values[key]))
      end
    end
  end }
  self.values, self.asked = values, {}
  return self
end

return redis
