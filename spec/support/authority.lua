-- authority - certificates for specs, made by openssl in the folder that ends with the spec.
--
--   authority.make { names = { "a.example" }, key = "ec", days = 90, by = ca, file = "a" }
--     key    "ec" (P-256), "rsa", "ed25519", or what `openssl req -newkey` takes
--     days   0: it has expired
--     by     who signs it, made here, too; nobody: it does so itself
--     ca     true: it may sign others
--     file   where it is: the name without its end
--   gives { cert =, key =, both = } paths: of the certificate, its key, and a file with both;
--   cert and both have what signed it, too

local process = require "spec.support.process"

local authority = {}

local KEYS = { ec = "ec -pkeyopt ec_paramgen_curve:P-256", rsa = "rsa:2048", ed25519 = "ed25519" }
local count = 0

local function run(format, ...)
  local command = format:format(...)
  local pipe = assert(io.popen("umask 077; { " .. command .. "; } 2>&1; echo status=$?"))
  local said = pipe:read "*a"
  pipe:close()
  assert(said:find "status=0\n$", command .. "\n" .. said)
end

function authority.make(options)
  count = count + 1
  local base = process.directory() .. "/" .. (options.file or "certificate" .. count)
  local made = { cert = base .. ".crt", key = base .. ".key", both = base .. ".pem", request = base .. ".csr" }
  local extensions = { "basicConstraints=critical,CA:" .. (options.ca and "TRUE" or "FALSE") }
  local names = {}
  for i, name in ipairs(options.names or {}) do names[i] = (name:find ":" and "" or "DNS:") .. name end
  if #names > 0 then extensions[2] = "subjectAltName=" .. table.concat(names, ",") end
  for _, extension in ipairs(options.extensions or {}) do extensions[#extensions + 1] = extension end
  local added = process.file("extensions", table.concat(extensions, "\n") .. "\n")
  local common_name = options.common_name or (options.names or {})[1] or "spec " .. count
  run("openssl req -new -newkey %s -nodes -subj '/CN=%s' -keyout '%s' -out '%s'",
    KEYS[options.key or "ec"] or options.key, common_name, made.key, made.request)
  run("openssl x509 -req -in '%s' -days %d -extfile '%s' -out '%s' %s", made.request, options.days or 90, added,
    made.cert, options.by and ("-CA '%s' -CAkey '%s' -CAcreateserial"):format(options.by.cert, options.by.key)
      or ("-signkey '%s'"):format(made.key))
  if options.by then run("cat '%s' >>'%s'", options.by.cert, made.cert) end
  run("cat '%s' '%s' >'%s'", made.cert, made.key, made.both)
  return made
end

-- What openssl has of the first certificate in a file: its SHA-256.
function authority.fingerprint(path)
  local pipe = assert(io.popen(("openssl x509 -in '%s' -noout -fingerprint -sha256"):format(path)))
  local text = pipe:read "*a"
  pipe:close()
  return (text:match "=([%x:]+)")
end

return authority
