-- Clients and backends of HTTP/2 that are not ours: each client through lb to each backend, without
-- TLS and over TLS on both sides. A spec for each cell of the table.
local authority = require "spec.support.authority"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"
local process = require "spec.support.process"
local servers = require "spec.support.servers"
local uv = require "luv"

local BIG = 300000
local NODE_PATH = uv.cwd() .. "/build/world/node_modules"
local PYTHON = "/usr/bin/python3" -- as in spec.support.peers
local CALLS = "spec/peers/grpc_calls"

-- A call of gRPC with the message "hello", as an HTTP client sends it.
local MESSAGE = "\0\0\0\0\5hello"
local UNARY = "/lb.spec.Echo/Unary"

-- --- backends: at /small "hello"; a POST to /sink is taken whole, and its answer says so ---

local NODE_SERVER = [[
const http2 = require("http2"), fs = require("fs");
const [cert, key] = process.argv.slice(2);
const serve = (request, response) => {
  let bytes = 0;
  request.on("data", (part) => { bytes += part.length; });
  request.on("end", () => response.end(request.url === "/small" ? "hello" : "got " + bytes));
};
(cert ? http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, serve)
  : http2.createServer(serve)).listen(PORT, "127.0.0.1");
]]

local function certificate(pair) if pair then return pair.cert, pair.key end end

local backends = {
  nghttpd = { sink = ("p"):rep(BIG), start = function(pair)
    play.file("small", "hello")
    play.file("sink", "") -- a POST is echoed
    local words = { "nghttpd", "--address", "127.0.0.1", "-d", "FOLDER", "--echo-upload", pair and "PORT" or "--no-tls",
      pair and pair.key or "PORT", pair and pair.cert }
    return (servers.start(words, "nghttpd", ""))
  end },
  nginx = { sink = "got " .. BIG, start = function(pair)
    local counter = servers.nginx("counter", 'listen 127.0.0.1:PORT; location / { return 200 "got $content_length"; }')
    local tls = pair and ("ssl; ssl_certificate %s; ssl_certificate_key %s"):format(pair.cert, pair.key) or ""
    return (servers.nginx("nginx", ([[listen 127.0.0.1:PORT http2 %s; default_type text/plain;
      location = /small { return 200 "hello"; }
      location = /sink { proxy_pass http://%s; proxy_http_version 1.1; proxy_request_buffering on; }
      location / { return 404; }]]):format(tls, counter)))
  end },
  node = { sink = "got " .. BIG, start = function(pair)
    return (servers.start({ "node", "CONFIG", certificate(pair) }, "node", NODE_SERVER))
  end },
  ["grpc-js"] = { is_grpc = true, start = function(pair)
    return (servers.start({ "node", CALLS .. ".js", "serve", "one", "PORT", node_path = NODE_PATH, certificate(pair) },
      "grpc-js", ""))
  end },
  grpcio = { is_grpc = true, start = function(pair)
    return (servers.start({ PYTHON, "-B", CALLS .. ".py", "serve", "one", "PORT", certificate(pair) }, "grpcio", ""))
  end },
}

-- --- clients ---

local NODE_CLIENT = [[
const http2 = require("http2"), fs = require("fs");
const [origin, ca, method, path, file, type] = process.argv.slice(2);
const session = http2.connect(origin, ca ? { ca: fs.readFileSync(ca), servername: "a.test" } : {});
session.on("error", (error) => { console.error(String(error)); process.exit(1); });
const stream = session.request({ ":method": method, ":path": path, ":authority": "a.test",
  ...(type ? { "content-type": type, te: "trailers" } : {}) });
let status, bytes = [], trailers = {};
stream.on("response", (fields) => { status = fields[":status"]; });
stream.on("trailers", (fields) => { trailers = fields; });
stream.on("data", (part) => bytes.push(part));
stream.on("end", () => {
  process.stdout.write(Buffer.concat(bytes));
  console.error(`status=${status} grpc-status=${trailers["grpc-status"]}`);
  session.close();
});
stream.end(file ? fs.readFileSync(file) : undefined);
]]

local function run(words)
  words.seconds = 60
  local said = play.run(words)
  assert.equal(0, said.code, said.out .. said.err)
  return said
end

local function joined(words, more)
  for _, word in ipairs(more) do words[#words + 1] = word end
  return words
end

-- Of ask(lb, path, file, type): body, status, grpc-status. What the client itself cannot tell is
-- nil.
local asking = {}

function asking.curl(lb, path, file, content_type)
  local words = { "curl", "-q", "-sS", "--noproxy", "*", "-D", process.directory() .. "/head" }
  joined(words, lb.ca and { "--http2", "--cacert", lb.ca, "--resolve", ("a.test:%d:127.0.0.1"):format(lb.port) }
    or { "--http2-prior-knowledge" })
  if file then joined(words, { "--data-binary", "@" .. file }) end
  if content_type then joined(words, { "-H", "content-type: " .. content_type, "-H", "te: trailers" }) end
  local url = ("%s:%d%s"):format(lb.ca and "https://a.test" or "http://127.0.0.1", lb.port, path)
  local said = run(joined(words, { url }))
  local head = io.open(process.directory() .. "/head"):read "*a"
  return said.out, head:match "^HTTP/2 (%d+)", head:match "grpc%-status: (%d+)"
end

-- It prints the body, or all that happens.
function asking.nghttp(lb, path, file, content_type)
  local words = { "nghttp", "-t", "30", content_type and "-v" or "-y" }
  if file then joined(words, { "-d", file }) end
  if content_type then joined(words, { "-H", "content-type: " .. content_type, "-H", "te: trailers" }) end
  local said = run(joined(words, { (lb.ca and "https://" or "http://") .. lb.address .. path }))
  if not content_type then return said.out end
  return nil, said.out:match ":status: (%d+)", said.out:match "grpc%-status: (%d+)"
end

-- A hundred of them, of which it counts what succeeded.
function asking.h2load(lb, path, file, content_type)
  local words = { "h2load", "-n", "100", "-c", "4", "-m", "5" }
  if file then joined(words, { "-d", file }) end
  if content_type then joined(words, { "-H", "content-type: " .. content_type, "-H", "te: trailers" }) end
  local said = run(joined(words, { (lb.ca and "https://" or "http://") .. lb.address .. path })).out
  assert.matches("Application protocol: h2", said)
  return nil, said:match "status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx" and "200" or said
end

function asking.node(lb, path, file, content_type)
  local script = process.file("client.js", NODE_CLIENT)
  local said = run { "node", script, (lb.ca and "https://" or "http://") .. lb.address, lb.ca or "",
    file and "POST" or "GET", path, file or "", content_type or "" }
  local status, grpc_status = said.err:match "status=(%d+) grpc%-status=(%w+)"
  return said.out, status, tonumber(grpc_status) and grpc_status
end

local function expects(wanted, got, what) if got ~= nil then assert.is_true(wanted == got, what .. ": " .. got) end end

local function http_client(name)
  local ask = asking[name]
  return function(lb, backend)
    if backend.is_grpc then
      local body, status, grpc_status = ask(lb, UNARY, process.file("message", MESSAGE), "application/grpc")
      expects(MESSAGE, body, "the answer")
      expects("200", status, "status")
      expects("0", grpc_status, "grpc-status")
      return
    end
    local body, status = ask(lb, "/small")
    expects("hello", body, "the answer")
    expects("200", status, "status")
    body, status = ask(lb, "/sink", process.file("posted", ("p"):rep(BIG)))
    expects(backend.sink, body, "the answer to an upload")
    expects("200", status, "status of an upload")
  end
end

-- A server that knows no gRPC: the first call fails as it does without lb.
local function grpc_client(...)
  local command = { ... }
  local function try(address, ca)
    local words = joined({ env = { NODE_PATH = NODE_PATH, NO_PROXY = "*" }, seconds = 60 }, command)
    local said = play.run(joined(words, { "try", address, ca }))
    return said.out, said.err .. said.out
  end
  local function status_of(_, all) return all:match "StatusCode%.(%u+)" or all:match "Error: %d+ (%u+)" end
  return function(lb, backend)
    if backend.is_grpc then return assert.equal("well\n", try(lb.address, lb.ca)) end
    local wanted = status_of(try(backend.address, lb.ca))
    assert.is_truthy(wanted)
    assert.equal(wanted, status_of(try(lb.address, lb.ca)))
  end
end

local clients = {
  curl = http_client "curl", nghttp = http_client "nghttp", h2load = http_client "h2load", node = http_client "node",
  ["grpc-js"] = grpc_client("node", CALLS .. ".js"), grpcio = grpc_client(PYTHON, "-B", CALLS .. ".py"),
}

-- --- the table ---

for _, over in ipairs { "no TLS", "TLS" } do
  for backend_name, backend in pairs(backends) do
    describe(("%s as a backend, with %s,"):format(backend_name, over), function()
      local lb
      setup(function()
        local pair, ca
        if over == "TLS" then
          ca = authority.make { ca = true, common_name = "Spec CA", file = "ca" }
          pair = authority.make { names = { "a.test" }, by = ca, file = "lb" }
        end
        backend.address = backend.start(pair)
        local address = backend.address
        if pair then
          lb = play.balancer { listen = false, script = ([[return {
            health = { interval = 0.5, timeout = 5 }, listen = { { "127.0.0.1:0", tls = true } },
            tls = { certificates = %q },
            backends = { { address = "h2://%s", tls = { ca = %q, name = "a.test" } } },
          }]]):format(pair.both, address, ca.cert) }
          lb.ca = ca.cert
        else
          lb = h2_lb.start { backends = { "h2c://" .. address } }
        end
        lb:up(address)
      end)
      teardown(h2_lb.clear)

      for client_name, client in pairs(clients) do
        it("serves " .. client_name, function() client(lb, backend) end)
      end
    end)
  end
end

