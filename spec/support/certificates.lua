-- certificates - self-made ones, for specs; made by openssl, once for each kind of them.
--
--   certificates.new { names = { "a.test" }, kind = "ecdsa", days = 30, name = "a" }
--       { cert = path, key = path } in the spec's directory; kind: "ecdsa" or "rsa". All but names
--       may be left out. The key is for its owner only.
--   certificates.settings(list)   "tls = { certificates = { .. } }," of such pairs

local process = require "spec.support.process"

local certificates = {}

local KINDS = {
  ecdsa = { "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1" },
  rsa = { "-newkey", "rsa:2048" },
}

local made = {} -- key and certificate as text, by what was asked for

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function alternatives(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = (name:find "^[%d.]+$" and "IP:" or "DNS:") .. name end
  return table.concat(list, ",")
end

local function make(options, base)
  local command = { "openssl", "req", "-x509", "-nodes", "-keyout", base .. ".key", "-out", base .. ".crt",
    "-days", tostring(options.days or 30), "-subj", "/CN=" .. options.names[1],
    "-addext", "subjectAltName=" .. alternatives(options.names) }
  for _, word in ipairs(KINDS[options.kind or "ecdsa"]) do command[#command + 1] = word end
  local result = process.run(command)
  assert(result.code == 0, result.err)
  return { cert = read(base .. ".crt"), key = read(base .. ".key") }
end

function certificates.new(options)
  local id = table.concat(options.names, ",") .. " " .. (options.kind or "ecdsa") .. " " .. (options.days or 30) ..
    " " .. (options.name or "")
  local base = options.name or options.names[1]:gsub("[^%w]", "_") .. "_" .. (options.kind or "ecdsa")
  made[id] = made[id] or make(options, process.directory() .. "/" .. base)
  local pair = { cert = process.file(base .. ".crt", made[id].cert), key = process.file(base .. ".key", made[id].key) }
  assert(require("luv").fs_chmod(pair.key, 384)) -- 0600
  return pair
end

function certificates.settings(list, more)
  local lines = {}
  for i, pair in ipairs(list) do lines[i] = ("{ cert = %q, key = %q }"):format(pair.cert, pair.key) end
  return ("tls = { certificates = { %s }, %s },"):format(table.concat(lines, ", "), more or "")
end

return certificates
