-- Certificates of clients: who has to show one, what a script sees of it, which sites it opens.
local authority = require "spec.support.authority"
local files = require "spec.support.files"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local LISTEN = "listen = { '127.0.0.1:0', { '127.0.0.1:0', tls = true } },"

local SEEN = [[choose = function(ctx)
  local client = ctx.tls and ctx.tls.client
  if not client then return ctx:respond { body = "nobody" } end
  return ctx:respond { body = table.concat({ tostring(client.verified), client.subject, tostring(client.error),
    table.concat(client.names.dns, " "), table.concat(client.names.uri, " "), table.concat(client.names.email, " "),
    client.issuer, client.sha256, client.pem:match "^[^\n]*" }, "|") }
end,]]

describe("certificates of clients", function()
  after_each(play.curtain)

  local public, admin, staff, anna, stranger

  before_each(function()
    public = authority.make { names = { "public.example" } }
    admin = authority.make { names = { "admin.example", "*.wild.example" } }
    staff = authority.make { ca = true, common_name = "staff" }
    anna = authority.make { by = staff, common_name = "anna", names = { "anna.example", "URI:spiffe://a/b",
      "email:anna@a.example" } }
    stranger = authority.make { common_name = "stranger" }
  end)

  local function start(tls, hook, args)
    local text = ("return { %s health = { interval = 0.2 }, tls = { certificates = { %q, %q }, %s }, %s }"):format(
      LISTEN, public.both, admin.both, tls, hook or SEEN)
    local lb, say = reloading.start(text, { listen = false, args = args })
    return lb, say, lb:event("listening", { tls = true }).address, text
  end

  -- status and body; or nil and what curl says
  local function ask(address, name, client, host, more)
    local port = address:match ":(%d+)$"
    local words = { "curl", "-sk", "-w", "\n%{http_code}", "--resolve", name .. ":" .. port .. ":127.0.0.1",
      "https://" .. name .. ":" .. port .. "/" }
    local function add(list) for _, word in ipairs(list) do words[#words + 1] = word end end
    if client then add { "--cert", client.cert, "--key", client.key } end
    if host then add { "-H", "Host: " .. host } end
    add(more or {})
    local said = play.run(words)
    local body, status = said.out:match "^(.*)\n(%d+)%s*$"
    if said.code ~= 0 then return nil, said.code end
    return tonumber(status), body
  end

  local function ca(path, verify) return ("client = { ca = %q, verify = %q }"):format(path, verify) end

  it("are not asked for without the setting", function()
    local _, _, secure = start ""
    assert.same({ 200, "nobody" }, { ask(secure, "public.example", anna) })
  end)

  for _, version in ipairs { "1.2", "1.3" } do
    it("are shown to the script, if they are requested, with TLS " .. version, function()
      local _, _, secure = start(ca(staff.cert, "request"))
      local only = { "--tlsv" .. version, "--tls-max", version }
      assert.same({ 200, "nobody" }, { ask(secure, "public.example", nil, nil, only) })
      local _, body = ask(secure, "public.example", anna, nil, only)
      assert.equal("true|CN=anna|nil|anna.example|spiffe://a/b|anna@a.example|CN=staff|" ..
        authority.fingerprint(anna.cert):gsub(":", ""):lower() .. "|-----BEGIN CERTIFICATE-----", body)
      _, body = ask(secure, "public.example", stranger, nil, only)
      assert.matches("^false|CN=stranger|self.signed certificate|", body)
    end)

    it("have to be right, if they are required, with TLS " .. version, function()
      local _, _, secure = start(ca(staff.cert, "require"))
      local only = { "--tlsv" .. version, "--tls-max", version }
      assert.equal(200, (ask(secure, "public.example", anna, nil, only)))
      assert.is_nil((ask(secure, "public.example", nil, nil, only)))
      assert.is_nil((ask(secure, "public.example", stranger, nil, only)))
      local late = authority.make { by = staff, common_name = "late", days = 0 }
      assert.is_nil((ask(secure, "public.example", late, nil, only)))
    end)
  end

  it("are in the line of the request by their subject, if they are verified", function()
    local lb, _, secure = start(ca(staff.cert, "request"))
    ask(secure, "public.example", anna)
    ask(secure, "public.example", stranger)
    local lines = play.wait("two lines", function() return #lb:exchanges() == 2 and lb:exchanges() end)
    assert.equal("CN=anna", lines[1].tls.client)
    assert.is_nil(lines[2].tls.client)
  end)

  describe("of some sites", function()
    local function sites() return ("sites = { ['admin.example'] = { %s } }"):format(ca(staff.cert, "require")) end

    it("are asked for by these alone", function()
      local _, _, secure = start(sites())
      assert.equal(200, (ask(secure, "public.example")))
      assert.is_nil((ask(secure, "admin.example")))
      assert.equal(200, (ask(secure, "admin.example", anna)))
    end)

    it("cannot be left out by another name in the handshake: 421", function()
      local lb, _, secure = start(sites())
      for _, host in ipairs { "admin.example", "ADMIN.example.", "admin.example:443", "adm%69n.example" } do
        assert.same({ host, 421 }, { host, (ask(secure, "public.example", nil, host)) })
      end
      assert.equal(421, (ask(secure, "public.example", anna, "admin.example")))
      assert.equal(421, (ask(secure, "admin.example", anna, "public.example")))
      assert.equal(200, (ask(secure, "public.example", nil, "other.example")))
      assert.equal("this connection gives no access to that host", lb:exchange({ status = 421 }).note)
    end)

    it("cannot be left out by a request without a host, which is for the first site", function()
      local _, _, secure = start(("sites = { ['public.example'] = { %s } }"):format(ca(staff.cert, "require")))
      local without = { "--http1.0", "--no-alpn", "-H", "Host:" }
      assert.equal(421, (ask(secure, "admin.example", nil, nil, without)))
      assert.equal(200, (ask(secure, "public.example", anna, nil, without)))
    end)

    it("may be below a wildcard of a certificate", function()
      local _, _, secure = start(("sites = { ['a.wild.example'] = { %s } }"):format(ca(staff.cert, "require")))
      assert.equal(200, (ask(secure, "b.wild.example")))
      assert.is_nil((ask(secure, "a.wild.example")))
      assert.equal(200, (ask(secure, "a.wild.example", anna)))
      assert.equal(421, (ask(secure, "b.wild.example", nil, "a.wild.example")))
    end)

    it("are for all names below a wildcard of the setting", function()
      local _, _, secure = start(("sites = { ['*.example'] = { %s } }"):format(ca(staff.cert, "require")))
      assert.is_nil((ask(secure, "public.example")))
      assert.is_nil((ask(secure, "admin.example")))
      assert.equal(200, (ask(secure, "a.wild.example")))
    end)

    it("are of names that a certificate has", function()
      local said = play.lb { "check", play.file("wrong.lua", ("return { %s backends = 'a:1', tls = {\n" ..
        "certificates = %q,\nsites = { ['other.example'] = { %s } } } }"):format(LISTEN, public.both,
        ca(staff.cert, "require"))) }
      assert.equal(2, said.code)
      assert.matches(":3: tls.sites: no certificate has the name 'other.example'", said.err, 1, true)
    end)
  end)

  for _, version in ipairs { "1.2", "1.3" } do
    it("that have expired resume no session, with TLS " .. version, function()
      local folder = anna.cert:match "^(.*)/"
      local config = play.file("own.cnf", ("[ca]\ndefault_ca = own\n[own]\ndatabase = %s/index\n" ..
        "default_md = sha256\nnew_certs_dir = %s\nrand_serial = yes\npolicy = any\ncertificate = %s\n" ..
        "private_key = %s\n[any]\ncommonName = supplied\n"):format(folder, folder, staff.cert, staff.key))
      play.file("index", "")
      local ends = os.time() + 3
      local said = play.run { "sh", "-c", ("openssl ca -batch -config %s -in %s -out %s/brief.crt -enddate %s"):format(
        config, anna.request, folder, os.date("!%y%m%d%H%M%SZ", ends)) }
      assert.equal(0, said.code, said.err)
      local _, _, secure = start(ca(staff.cert, "require"))
      local function get(option)
        return play.run { "sh", "-c", ("(printf 'GET / HTTP/1.1\\r\\nHost: public.example\\r\\nConnection: close" ..
          "\\r\\n\\r\\n'; sleep 0.3) | openssl s_client -tls%s -connect %s -servername public.example " ..
          "-cert %s/brief.crt -key %s %s %s/session -ign_eof 2>&1"):format((version:gsub("%.", "_")), secure, folder,
          anna.key, option, folder) }.out
      end
      assert.matches("HTTP/1.1 200", get "-sess_out", 1, true)
      assert.matches("Reused, .*HTTP/1.1 200", get "-sess_in")
      play.wait("the end of the certificate", function() return os.time() > ends end)
      local out = get "-sess_in"
      assert.not_matches("HTTP/1.1 200", out, 1, true)
      assert.matches("certificate expired", out, 1, true)
    end)
  end

  local function ca_of(signer, command)
    local folder = anna.cert:match "^(.*)/"
    local config = play.file("ca.cnf", ("[ca]\ndefault_ca = own\n[own]\ndatabase = %s/index\ndefault_md = sha256\n" ..
      "default_crl_days = 30\ncertificate = %s\nprivate_key = %s\n"):format(folder, signer.cert, signer.key))
    local said = play.run { "sh", "-c", "openssl ca -config " .. config .. " " .. command }
    assert.equal(0, said.code, said.err)
  end

  it("that are revoked are refused", function()
    local crl = play.file("staff.crl", "")
    play.file("index", "")
    ca_of(staff, "-revoke " .. anna.cert)
    ca_of(staff, "-gencrl -out " .. crl)
    local bert = authority.make { by = staff, common_name = "bert" }
    local _, _, secure = start(("client = { ca = %q, verify = 'require', crl = %q }"):format(staff.cert, crl))
    assert.equal(200, (ask(secure, "public.example", bert)))
    assert.is_nil((ask(secure, "public.example", anna)))
  end)

  it("are refused if who signed them is revoked", function()
    local middle = authority.make { by = staff, ca = true, common_name = "middle" }
    local carl = authority.make { by = middle, common_name = "carl" }
    local crls = play.file("both.crl", "")
    local settings = ("client = { ca = %q, verify = 'require', crl = %q }"):format(staff.cert, crls)
    play.file("index", "")
    ca_of(middle, "-gencrl >" .. crls)
    ca_of(staff, "-gencrl >>" .. crls)
    local lb, _, secure = start(settings)
    assert.equal(200, (ask(secure, "public.example", carl)))
    ca_of(middle, "-gencrl >" .. crls)
    ca_of(staff, "-revoke " .. middle.cert)
    ca_of(staff, "-gencrl >>" .. crls)
    lb:signal "sighup"
    lb:event "reload"
    assert.is_nil((ask(secure, "public.example", carl)))
  end)

  it("are judged by files that are saved, with --watch", function()
    local trusted, crl = play.file("trusted.pem", files.read(staff.cert)), play.file("staff.crl", "")
    play.file("index", "")
    ca_of(staff, "-gencrl -out " .. crl)
    local lb, _, secure = start(("client = { ca = %q, verify = 'require', crl = %q }"):format(trusted, crl), nil,
      { "--watch" })
    lb:event "watch"
    assert.equal(200, (ask(secure, "public.example", anna)))
    ca_of(staff, "-revoke " .. anna.cert)
    ca_of(staff, "-gencrl -out " .. crl)
    assert.equal("tls", lb:event("reload").changed)
    assert.is_nil((ask(secure, "public.example", anna)))
    local bert = authority.make { by = staff, common_name = "bert" }
    assert.equal(200, (ask(secure, "public.example", bert)))
    play.file("trusted.pem", files.read(stranger.cert) .. files.read(public.cert))
    play.wait("the new ca", function() return not ask(secure, "public.example", bert) end, 20)
  end)

  describe("with forward = true", function()
    local backend, carl

    before_each(function()
      backend = play.answering(function() return "" end)
      local middle = authority.make { by = staff, ca = true, common_name = "middle" }
      carl = authority.make { by = middle, common_name = "carl" }
    end)

    local function forwarding(more)
      return start(("client = { ca = %q, verify = 'request', forward = true }"):format(staff.cert),
        ("backends = %q, %s"):format(backend.address, more or ""))
    end

    -- As fields of RFC 9440, of all certificates in a file.
    local function fields_of(path)
      local list = {}
      for base64 in files.read(path):gmatch "%-%-\n([%w+/=\n]+)\n%-%-" do
        list[#list + 1] = ":" .. base64:gsub("\n", "") .. ":"
      end
      return list
    end

    local function came(name) return backend.requests[#backend.requests]:values(name) end

    local FORGED = { "-H", "Client-Cert: :Zm9yZ2Vk:", "-H", "Client-Cert-Chain: :Zm9yZ2Vk:",
      "-H", "Client_Cert: :eA==:" }

    for _, version in ipairs { "1.2", "1.3" } do
      it("are shown to backends, with TLS " .. version, function()
        local _, _, secure = forwarding()
        local more = { "--tlsv" .. version, "--tls-max", version, unpack(FORGED) }
        local list = fields_of(carl.cert)
        assert.equal(3, #list)
        assert.equal(200, (ask(secure, "public.example", carl, nil, more)))
        assert.same({ { list[1] }, { list[2] }, {} },
          { came "Client-Cert", came "Client-Cert-Chain", came "Client_Cert" })
        assert.equal(200, (ask(secure, "public.example", anna, nil, more)))
        assert.same({ { fields_of(anna.cert)[1] }, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
      end)
    end

    it("are not, if they are not verified, or there is none", function()
      local _, _, secure = forwarding()
      for _, client in ipairs { stranger, false } do
        assert.equal(200, (ask(secure, "public.example", client or nil, nil, FORGED)))
        assert.same({ {}, {}, {} }, { came "Client-Cert", came "Client-Cert-Chain", came "Client_Cert" })
      end
    end)

    it("are not, without that setting", function()
      local _, _, secure = start(ca(staff.cert, "require"), ("backends = %q,"):format(backend.address))
      assert.equal(200, (ask(secure, "public.example", anna, nil, FORGED)))
      assert.same({ {}, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
    end)

    it("make way for what the script says", function()
      local _, _, secure = forwarding [[choose = function(_, backends)
        return backends[1], { request_headers = { ["Client-Cert"] = "none" } } end,]]
      assert.equal(200, (ask(secure, "public.example", carl, nil, FORGED)))
      assert.same({ { "none" }, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
    end)

    it("are a trusted proxy's own only if it speaks for nobody else", function()
      local _, _, secure = forwarding "trusted_proxies = { '127.0.0.0/8' },"
      assert.equal(200, (ask(secure, "public.example", anna, nil, FORGED)))
      assert.same({ { fields_of(anna.cert)[1] }, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
      local for_another = { "-H", "X-Forwarded-For: 192.0.2.1", unpack(FORGED) }
      assert.equal(200, (ask(secure, "public.example", anna, nil, for_another)))
      assert.same({ { ":Zm9yZ2Vk:" }, { ":Zm9yZ2Vk:" } }, { came "Client-Cert", came "Client-Cert-Chain" })
      assert.equal(200, (ask(secure, "public.example", anna, nil, { "-H", "X-Forwarded-For: 192.0.2.1" })))
      assert.same({ {}, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
    end)

    it("are shown when the session is resumed, without the chain", function()
      local folder = carl.cert:match "^(.*)/"
      local _, _, secure = forwarding()
      local function get(option)
        return play.run { "sh", "-c", ("(printf 'GET / HTTP/1.1\\r\\nHost: public.example\\r\\nConnection: close" ..
          "\\r\\n\\r\\n'; sleep 0.3) | openssl s_client -connect %s -servername public.example " ..
          "-cert %s -cert_chain %s -key %s %s %s/session -ign_eof 2>&1"):format(secure, carl.cert, carl.cert, carl.key,
          option, folder) }.out
      end
      local list = fields_of(carl.cert)
      assert.matches("HTTP/1.1 200", get "-sess_out", 1, true)
      assert.same({ { list[1] }, { list[2] } }, { came "Client-Cert", came "Client-Cert-Chain" })
      assert.matches("Reused, .*HTTP/1.1 200", get "-sess_in")
      assert.same({ { list[1] }, {} }, { came "Client-Cert", came "Client-Cert-Chain" })
    end)
  end)
end)
