-- Other programs on both sides of lb over TLS, which all have the same certificate: as clients and
-- in front of lb, and as backends behind it.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local process = require "spec.support.process"
local servers = require "spec.support.servers"
local tls = require "spec.support.tls"

local BIG = 300000

local NODE_CLIENT = [[
const https = require("https"), fs = require("fs");
const [port, path, ca, version] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: fs.readFileSync(ca), servername: "lb.test",
  minVersion: version, maxVersion: version });
const ask = (body) => new Promise((resolve, reject) => {
  const request = https.request({ agent, host: "127.0.0.1", port, path: "/", method: body ? "POST" : "GET",
    headers: { Host: "lb.test" } }, (response) => {
      let text = "";
      response.on("data", (bytes) => { text += bytes; });
      response.on("end", () => resolve(response.statusCode + " " + text));
    });
  request.on("error", reject);
  request.end(body);
});
(async () => {
  console.log(await ask());
  console.log(await ask(fs.readFileSync(path)));
  agent.destroy();
})().catch((error) => { console.log(String(error)); process.exit(1); });
]]

local NODE_SERVER = [[
const https = require("https"), fs = require("fs");
const [cert, key, version] = process.argv.slice(2);
https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), minVersion: version,
  maxVersion: version }, (request, response) => {
    let bytes = 0;
    request.on("data", (part) => { bytes += part.length; });
    request.on("end", () => response.end("got " + bytes));
  }).listen(PORT, "127.0.0.1");
]]

describe("over TLS,", function()
  local ca, pair, posted
  before_each(function()
    ca = authority.make { ca = true, common_name = "Spec CA", file = "ca" }
    pair = authority.make { names = { "lb.test" }, by = ca, file = "lb" }
    posted = process.file("posted", ("p"):rep(BIG))
  end)
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  -- lb with TLS, in front of a backend that says how long the body was.
  local function lb_for_clients(more)
    local backend = play.answering(function(request) return "got " .. #request.body end)
    return play.balancer { listen = false, backends = { backend }, script = ([[return {
      health = { interval = 0.5 }, listen = { { "127.0.0.1:0", tls = true } }, tls = { certificates = %q, %s },
    }]]):format(pair.both, more or "") }
  end

  -- What a client gets of two requests, one of them with a body.
  local function both_by_curl(url, ...)
    local got = {}
    for i, more in ipairs { {}, { "--data-binary", "@" .. posted } } do
      local words = { "curl", "-sS", "--max-time", "30", "-w", " %{http_code}", url, ... }
      for _, word in ipairs(more) do words[#words + 1] = word end
      local said = play.run(words)
      got[i] = said.out .. said.err
    end
    return got
  end

  local ALL = { "got 0 200", "got " .. BIG .. " 200" }

  for _, version in ipairs { "1.2", "1.3" } do
    it("curl is served, with TLS " .. version, function()
      local lb = lb_for_clients()
      for _, protocol in ipairs { "--http1.1", "--http2" } do
        assert.same(ALL, both_by_curl(("https://lb.test:%d/"):format(lb.port), protocol, "--cacert", ca.cert,
          "--resolve", ("lb.test:%d:127.0.0.1"):format(lb.port), "--tlsv" .. version, "--tls-max", version))
      end
    end)

    it("node is served, and is a backend, with TLS " .. version, function()
      local lb = lb_for_clients()
      local client = process.file("client.js", NODE_CLIENT)
      local said = play.run { "node", client, tostring(lb.port), posted, ca.cert, "TLSv" .. version }
      assert.equal(("200 got 0\n200 got %d\n"):format(BIG), said.out, said.err)
      local server = servers.start({ "node", "CONFIG", pair.cert, pair.key, "TLSv" .. version }, "node", NODE_SERVER)
      local behind = play.balancer { name = "behind", settings = ([[backends = { { address = %q, tls = { ca = %q,
        name = "lb.test" } } },]]):format("https://" .. server, ca.cert) }
      assert.same(ALL, both_by_curl("http://" .. behind.address .. "/"))
    end)

    it("openssl s_client is served, resumes, and changes its keys, with TLS " .. version, function()
      local lb = lb_for_clients()
      local session = process.directory() .. "/session"
      local function s_client(options, keys)
        local flag = "-tls" .. version:gsub("%.", "_")
        -- A letter alone on a line is a command to it. The end of the input would end it.
        return play.run { "sh", "-c", ([[
          { %s printf 'GET / HTTP/1.1\r\nHost: lb.test\r\nConnection: close\r\n\r\n'; sleep 2; } |
          openssl s_client -connect %s -servername lb.test -CAfile '%s' -verify_return_error %s %s 2>&1]])
          :format(keys or "", lb.address, ca.cert, flag, options) }.out
      end
      local first = s_client("-sess_out " .. session)
      assert.matches("\nNew, TLSv" .. version, first)
      assert.matches("\r\n\r\ngot 0", first)
      local second = s_client("-sess_in " .. session)
      assert.matches("\nReused, TLSv" .. version, second)
      assert.matches("\r\n\r\ngot 0", second)
      if version == "1.3" then
        local changed = s_client("", "sleep 0.5; echo K; sleep 0.5; echo k; sleep 0.5;")
        assert.matches("KEYUPDATE", changed)
        assert.matches("\r\n\r\ngot 0", changed)
        local early = process.file("early", "GET /early HTTP/1.1\r\nHost: lb.test\r\n\r\n")
        local third = s_client(("-sess_in %s -early_data %s"):format(session, early))
        assert.matches("Early data was not sent", third) -- the ticket does not allow it
        assert.matches("\r\n\r\ngot 0", third)
        assert.equal(0, #lb:events "tls_refused")
      end
    end)
  end

  it("nginx is in front of lb, and behind it", function()
    local lb = lb_for_clients()
    local front = servers.nginx("front", ([[listen 127.0.0.1:PORT; location / {
      proxy_pass https://%s; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ssl_verify on;
      proxy_ssl_trusted_certificate %s; proxy_ssl_name lb.test; proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.2 TLSv1.3; }]]):format(lb.address, ca.cert))
    for _ = 1, 5 do assert.same(ALL, both_by_curl("http://" .. front .. "/")) end
    local back = servers.nginx("back", ([[listen 127.0.0.1:PORT ssl; ssl_certificate %s; ssl_certificate_key %s;
      ssl_protocols TLSv1.2 TLSv1.3; location / { proxy_pass http://%s; }]]):format(pair.cert, pair.key, front))
    local behind = play.balancer { name = "behind", settings = ([[backends = { { address = %q, tls = { ca = %q,
      name = "lb.test" } } },]]):format("https://" .. back, ca.cert) }
    for _ = 1, 5 do assert.same(ALL, both_by_curl("http://" .. behind.address .. "/")) end
  end)

  it("HAProxy is in front of lb, and behind it", function()
    local lb = lb_for_clients()
    local front = servers.haproxy("front", ([[listen front
 bind 127.0.0.1:PORT
 server lb %s ssl verify required ca-file %s sni str(lb.test) verifyhost lb.test]]):format(lb.address, ca.cert))
    for _ = 1, 5 do assert.same(ALL, both_by_curl("http://" .. front .. "/")) end
    local back = servers.haproxy("back", ([[listen back
 bind 127.0.0.1:PORT ssl crt %s
 server front %s]]):format(pair.both, front))
    local behind = play.balancer { name = "behind", settings = ([[backends = { { address = %q, tls = { ca = %q,
      name = "lb.test" } } },]]):format("https://" .. back, ca.cert) }
    for _ = 1, 5 do assert.same(ALL, both_by_curl("http://" .. behind.address .. "/")) end
  end)

  it("a certificate that another signed is refused, by lb, too", function()
    local lb = lb_for_clients()
    local other = authority.make { ca = true, common_name = "Other CA", file = "other" }
    local curl = play.run { "curl", "-sS", "--cacert", other.cert, "--resolve",
      ("lb.test:%d:127.0.0.1"):format(lb.port), ("https://lb.test:%d/"):format(lb.port) }
    assert.equal(60, curl.code)
    local behind = play.balancer { name = "behind", settings = ([[backends = { { address = %q, tls = { ca = %q,
      name = "lb.test" } } },]]):format("https://" .. lb.address, other.cert) }
    assert.equal(" 502", both_by_curl("http://" .. behind.address .. "/", "-o", "/dev/null")[1])
  end)
end)
