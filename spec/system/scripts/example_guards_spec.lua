-- The policies of scripts/examples/ that refuse clients, each between real backends: who passes,
-- who does not, and that nobody passes when a service that they ask fails.
local authority = require "spec.support.authority"
local example = require "spec.support.example_policy"
local codes = require("spec.support.fake_codes").new()
local json = require "dkjson"
local loop = require "spec.support.loop"
local play = require "spec.support.play"
local sha256 = require "spec.support.sha256"
local signer = require "spec.support.signer"
local tls = require "spec.support.tls"

describe("the example", function()
  local lb

  after_each(function()
    example.curtain(lb)
    lb = nil
  end)

  local function said(target, options) return example.answer(lb:fetch(target, options)) end

  -- A backend that answers with the user that X-User names.
  local function names_user()
    return play.answering(function(request) return request:field "X-User" or "nobody" end)
  end

  describe("allow_lists", function()
    it("opens a folder to its networks", function()
      lb = example.start("allow_lists", { play.hello "page" }, { change = { ['"10.0.0.0/8"'] = '"127.0.0.0/8"' } })
      assert.equal("page", said "/")
      assert.equal("page", said "/admin/users")
      assert.equal(403, said "/internal")
    end)

    it("closes it to all others, however they write the path", function()
      lb = example.start("allow_lists", { play.hello "page" })
      for _, path in ipairs {
        "/admin", "/admin/", "//admin/x", "/%61dmin", "/a/../admin", "/./admin", "/Admin", "/admin;x=1", "/internal/x",
      } do
        assert.equal(403, said(path), path)
      end
      for _, path in ipairs { "/admin%2fx", "/..%5cadmin", "/../admin" } do assert.equal(400, said(path), path) end
      assert.equal("page", said "/administration")
      assert.truthy(lb:exchange({ status = 403 }).why:find("/admin is not for this client", 1, true))
    end)
  end)

  describe("basic_auth", function()
    local function given(text) return { fields = "Authorization: Basic " .. codes.base64.encode(text) .. "\r\n" } end

    it("lets a user pass, and says to the backend who it is", function()
      local backend = names_user()
      lb = example.start("basic_auth", { backend })
      local options = given "anna:correct horse battery staple"
      options.fields = options.fields .. "X-User: root\r\n"
      assert.equal("anna", said("/", options))
      assert.same({ "anna" }, backend.requests[1]:values "X-User")
      assert.is_nil(backend.requests[1]:field "Authorization")
    end)

    it("asks anybody else", function()
      local backend = names_user()
      lb = example.start("basic_auth", { backend })
      local right = given("anna:correct horse battery staple").fields
      for _, fields in ipairs {
        "", given("anna:correct horse").fields, given("anna").fields, given(":").fields, given("otto:").fields,
        right .. right, "Authorization: Basic %%%\r\n", "Authorization: Bearer x\r\n",
      } do
        local response = lb:fetch("/", { fields = fields })
        assert.equal(401, response.status, fields)
        assert.truthy(response:field("WWW-Authenticate"):find 'realm="members"')
      end
      assert.equal(0, #backend.requests)
    end)
  end)

  describe("jwt", function()
    local SECRET = "0123456789abcdef0123456789abcdef"
    local encode = codes.base64url.encode

    local function token(claims, head, secret)
      local text = encode(json.encode(head or { alg = "HS256", typ = "JWT" })) .. "." .. encode(json.encode(claims))
      return text .. "." .. encode(codes.hex.decode(sha256.hmac(secret or SECRET, text)))
    end

    local function claims(changed)
      local all = { sub = "anna", aud = "api.example.com", exp = os.time() + 600 }
      for name, value in pairs(changed or {}) do all[name] = value end
      return all
    end

    local function with(text) return { fields = "Authorization: Bearer " .. text .. "\r\nX-User: root\r\n" } end

    it("lets a valid token pass, and says whose it is", function()
      local backend = names_user()
      lb = example.start("jwt", { backend }, { env = { JWT_SECRET = SECRET } })
      assert.equal("anna", said("/", with(token(claims()))))
      assert.equal("anna", said("/", with(token(claims { aud = { "other", "api.example.com" } }))))
      assert.same({ "anna" }, backend.requests[1]:values "X-User")
    end)

    it("refuses every other, and says why in the log", function()
      local backend = names_user()
      lb = example.start("jwt", { backend }, { env = { JWT_SECRET = SECRET } })
      local refused_so_far = 0
      local function refused(text)
        local response = lb:fetch("/", with(text))
        assert.equal(401, response.status)
        assert.truthy(response:field "WWW-Authenticate")
        refused_so_far = refused_so_far + 1
        return lb:exchange(nil, refused_so_far).why
      end
      local unsigned = encode(json.encode { alg = "none" }) .. "." .. encode(json.encode(claims())) .. "."
      assert.equal("no HS256 token", refused "x")
      assert.equal("no HS256 token", refused(unsigned))
      assert.equal("no HS256 token", refused(token(claims(), { alg = "HS512" })))
      assert.equal("signature", refused(token(claims(), nil, "another secret")))
      assert.equal("expired", refused(token(claims { exp = os.time() - 60 })))
      assert.equal("expired", refused(token(claims { exp = "never" })))
      assert.equal("not yet valid", refused(token(claims { nbf = os.time() + 600 })))
      assert.equal("not for us", refused(token(claims { aud = "other.example.com" })))
      assert.equal("not for us", refused(token(claims { aud = { "other.example.com" } })))
      assert.equal("no subject", refused(token(claims { sub = "a\r\nX-Admin: 1" })))
      assert.equal(0, #backend.requests)
    end)

    it("does not start without a secret", function()
      local started = play.lb { "scripts/examples/jwt.lua", "--listen", "127.0.0.1:0" }
      assert.not_equal(0, started.code)
      assert.truthy((started.out .. started.err):find("JWT_SECRET", 1, true), started.err)
    end)
  end)

  describe("jwks", function()
    local published, status

    local function service()
      return play.answering(function()
        return type(published) == "string" and published or json.encode { keys = published }, status or "200 OK"
      end)
    end

    local function claims(changed)
      local all = { sub = "auth0|anna", iss = "https://login.example.com", aud = "api.example.com",
        exp = os.time() + 600 }
      for name, value in pairs(changed or {}) do all[name] = value end
      return all
    end

    local function with(token) return { fields = "Authorization: Bearer " .. token .. "\r\nX-User: root\r\n" } end

    -- By plain HTTP. every: seconds between two looks at the keys.
    local function start(backend, every)
      return example.start("jwks", { backend, [9] = service() },
        { change = { ["lb.every(60"] = "lb.every(" .. (every or 60), ["https://127"] = "http://127" } })
    end

    local function until_answered(answer, token)
      loop.wait("the answer " .. answer, function() return said("/", with(token)) == answer end)
    end

    before_each(function() published, status = {}, nil end)

    for _, algorithm in ipairs { "RS256", "ES256", "EdDSA" } do
      it("lets a token pass that is signed with " .. algorithm, function()
        local backend, login = names_user(), signer.new(algorithm, "k1")
        published = { login.jwk }
        lb = start(backend)
        local token = login:token(claims())
        until_answered("auth0|anna", token)
        assert.equal("auth0|anna", said("/", with(login:token(claims { aud = { "other", "api.example.com" } }))))
        assert.same({ "auth0|anna" }, backend.requests[1]:values "X-User")
        local last = token:sub(-1)
        assert.equal(401, said("/", with(token:sub(1, -2) .. (last == "A" and "Q" or "A"))))
        assert.equal(401, said("/", with(token:gsub("%.", ".e30", 1))))
      end)
    end

    it("refuses every other, and says why in the log", function()
      local backend, login, other = names_user(), signer.new("EdDSA", "k1"), signer.new("EdDSA", "k1")
      local rsa = signer.new("RS256", "k2")
      rsa.jwk.alg = "PS256"
      published = { login.jwk, rsa.jwk, { kty = "oct", kid = "k3", k = "AAAA" }, { kid = "k4" }, 7, { kty = "RSA" } }
      lb = start(backend)
      until_answered("auth0|anna", login:token(claims()))
      local count = 0
      local function refused(token)
        count = count + 1
        local path = "/refused/" .. count
        assert.equal(401, said(path, with(token)))
        return lb:exchange({ path = path }).why
      end
      local function head(alg, kid, more)
        local all = { alg = alg, kid = kid }
        for name, value in pairs(more or {}) do all[name] = value end
        return login:token(claims(), all)
      end
      for _, token in ipairs {
        "x", "..", head("none", "k1"), head("RS256", "k1"), head("HS256", "k3"), head("none", "k3"), head(nil, "k4"),
        head(nil, "k1"), head("EdDSA", "k9"), head("EdDSA", nil), head("EdDSA", 7), head("EdDSA", { "k1" }),
        head("EdDSA", "k1", { crit = { "exp" } }),
      } do
        assert.equal("no key for it", refused(token), token)
      end
      assert.equal("signature", refused(other:token(claims())))
      assert.equal("the key's alg is another than RS256", refused(rsa:token(claims())))
      for why, changed in pairs {
        expired = { exp = os.time() - 60 }, ["not yet valid"] = { nbf = os.time() + 600 },
        ["no subject"] = { sub = "a\r\nX-Admin: 1" }, ["not for us"] = { aud = "other.example.com" },
      } do
        assert.equal(why, refused(login:token(claims(changed))))
      end
      assert.equal("not for us", refused(login:token(claims { iss = "https://evil.example" })))
      assert.equal("not for us", refused(login:token(claims { aud = { "other.example.com" } })))
      assert.equal("expired", refused(login:token(claims { exp = "never" })))
    end)

    it("follows the service to its next key, and keeps the last keys while it fails", function()
      local first, second = signer.new("EdDSA", "k1"), signer.new("ES256", "k2")
      local old, new = first:token(claims()), second:token(claims())
      published = { first.jwk }
      lb = start(names_user(), 0.1)
      until_answered("auth0|anna", old)
      assert.equal(401, said("/", with(new)))
      published = { first.jwk, second.jwk }
      until_answered("auth0|anna", new)
      assert.equal("auth0|anna", said("/", with(old)))
      status = "500 Internal Server Error"
      lb:event("script")
      assert.equal("auth0|anna", said("/", with(new)))
      local before = #lb:events "script"
      status, published = nil, "no JSON"
      loop.wait("more warnings", function() return #lb:events "script" > before + 2 end)
      assert.equal("auth0|anna", said("/", with(new)))
      published = { second.jwk }
      until_answered(401, old)
      assert.equal("auth0|anna", said("/", with(new)))
    end)

    it("fetches the keys over TLS, from nobody else", function()
      local login, ca = signer.new("ES256", "k1"), authority.make { ca = true, common_name = "spec ca" }
      local body = json.encode { keys = { login.jwk } }
      local origin = tls.backend({ both = authority.make({ by = ca, names = { "IP:127.0.0.1" } }).both }, function(conn)
        while conn:request() do conn:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)) end
      end)
      local token = login:token(claims())
      lb = example.start("jwks", { names_user(), [9] = origin }, { env = { SSL_CERT_FILE = ca.cert } })
      until_answered("auth0|anna", token)
      lb = example.start("jwks", { names_user(), [9] = origin })
      lb:event "script"
      assert.equal(503, said("/", with(token)))
      tls.clear()
    end)

    it("says 503 as long as it has no keys", function()
      local login = signer.new("EdDSA", "k1")
      status = "500 Internal Server Error"
      lb = start(names_user())
      assert.equal(503, said("/", with(login:token(claims()))))
    end)
  end)

  describe("ext_auth", function()
    local answer

    local function service()
      return play.answering(function(request)
        if request:field "Authorization" == "Bearer good" then return "", "204 No Content", "X-User: anna\r\n" end
        return "", answer[1], answer[2]
      end)
    end

    it("forwards what the service lets pass, and says whose it is", function()
      local asked = service()
      lb = example.start("ext_auth", { names_user(), [9] = asked })
      assert.equal("anna", said("/a?b", { fields = "Authorization: Bearer good\r\nX-User: root\r\n", method = "PUT" }))
      local request = asked.requests[1]
      assert.same({ "/auth", "PUT", "/a" }, { request.target, request:field "X-Method", request:field "X-Path" })
      answer = { "200 OK" }
      assert.equal("nobody", said("/", { fields = "X-User: root\r\n" }))
    end)

    it("hands its refusal on", function()
      local backend = names_user()
      lb = example.start("ext_auth", { backend, [9] = service() })
      answer = { "401 Unauthorized", "WWW-Authenticate: Bearer\r\n" }
      local response = lb:fetch "/"
      assert.same({ 401, "Bearer" }, { response.status, response:field "WWW-Authenticate" })
      answer = { "302 Found", "Location: https://login.example.com/\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" }
      response = lb:fetch "/"
      assert.same({ 302, "https://login.example.com/" }, { response.status, response:field "Location" })
      assert.same({ "a=1", "b=2" }, response:values "Set-Cookie")
      assert.equal(0, #backend.requests)
    end)

    it("lets nobody pass when the service is ill or gone", function()
      local backend, asked = names_user(), service()
      lb = example.start("ext_auth", { backend, [9] = asked })
      answer = { "500 Internal Server Error" }
      assert.equal(503, said "/")
      assert.equal(400, said "/%00")
      asked:stop()
      assert.equal(503, said("/", { fields = "Authorization: Bearer good\r\n" }))
      assert.equal(0, #backend.requests)
    end)
  end)

  describe("redis_quota", function()
    -- INCR and EXPIRE, as Redis answers them.
    local function redis()
      local counts = {}
      local server = play.backend(function(conn)
        local function word()
          local length = conn:line():match "^%$(%d+)$"
          return (conn:exactly(tonumber(length) + 2):sub(1, -3))
        end
        while true do
          local count = conn:line()
          if not count then return end
          local words = {}
          for i = 1, tonumber(count:match "^%*(%d+)$") do words[i] = word() end
          counts[words[2]] = (counts[words[2]] or 0) + (words[1] == "INCR" and 1 or 0)
          conn:send(words[1] == "INCR" and (":%d\r\n"):format(counts[words[2]]) or ":1\r\n")
        end
      end)
      return server, counts
    end

    local SMALL = { change = { ["1000, 3600"] = "2, 3600", ["timeout = 0.1"] = "timeout = 5" } }

    it("counts each key's requests in Redis, over one connection", function()
      local server, counts = redis()
      lb = example.start("redis_quota", { play.hello "page", [9] = server }, SMALL)
      local function by(key) return said("/", { fields = "X-API-Key: " .. key .. "\r\n" }) end
      assert.same({ "page", "page", "page" }, { by "a", by "a", by "b" })
      local refused = lb:fetch("/", { fields = "X-API-Key: a\r\n" })
      assert.equal(429, refused.status)
      assert.is_true(tonumber(refused:field "Retry-After") <= 3600)
      assert.equal(1, server.served)
      for key in pairs(counts) do assert.truthy(key:find "^quota:[ab]:%d+$", key) end
    end)

    it("refuses who has no key, and all while Redis is gone", function()
      local server = redis()
      lb = example.start("redis_quota", { play.hello "page", [9] = server }, SMALL)
      local key = "X-API-Key: a\r\n"
      assert.equal(401, said "/")
      assert.equal(401, said("/", { fields = key .. key }))
      assert.equal("page", said("/", { fields = key }))
      server:stop()
      local refused = lb:fetch("/", { fields = key })
      assert.same({ 503, "1" }, { refused.status, refused:field "Retry-After" })
      server:start()
      assert.equal("page", said("/", { fields = key }))
    end)
  end)
end)
