-- Chains of certificates of backends, after the cases of BetterTLS: what the library decides of
-- them is what lb does.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

describe("a backend's chain", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local root

  before_each(function() root = authority.make { ca = true, common_name = "root" } end)

  local function hello(conn)
    while conn:request() do conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" end
  end

  -- status and reason of a request to a backend that shows these files' certificates
  local function ask(pair, name, ca)
    local backend = tls.backend({ both = pair.both }, hello)
    local lb = play.balancer { settings = ("health = function() return true end, backends = { { address = %q, %s } },")
      :format("https://" .. backend.address, ("tls = { ca = %q, name = %q }"):format(ca or root.cert, name)) }
    local status = lb:fetch("/").status
    return status, lb:exchange({ status = status }).note
  end

  -- what the authority in between is, its options, the leaf's, the wanted name, and why not
  for _, case in ipairs {
    { "an authority in between", {}, { "a.test" }, "a.test" },
    { "an authority in between that is none", { ca = false }, { "a.test" }, "a.test", "invalid CA certificate" },
    { "an expired authority in between", { days = 0 }, { "a.test" }, "a.test", "certificate has expired" },
    { "an authority for other uses", { extensions = { "extendedKeyUsage=clientAuth" } }, { "a.test" }, "a.test",
      "unsuitable certificate purpose" },
    { "an authority that may not sign", { extensions = { "keyUsage=digitalSignature" } }, { "a.test" }, "a.test",
      "." },
    { "an authority for names below it", { extensions = { "nameConstraints=permitted;DNS:a.test" } }, { "x.a.test" },
      "x.a.test" },
    { "an authority for that very name", { extensions = { "nameConstraints=permitted;DNS:a.test" } }, { "a.test" },
      "a.test" },
    { "an authority for other names", { extensions = { "nameConstraints=permitted;DNS:b.test" } }, { "a.test" },
      "a.test", "permitted subtree violation" },
    { "an authority for all names but this", { extensions = { "nameConstraints=excluded;DNS:a.test" } }, { "a.test" },
      "a.test", "excluded subtree violation" },
    { "an authority for all names but others", { extensions = { "nameConstraints=excluded;DNS:b.test" } },
      { "a.test" }, "a.test" },
    { "an authority for these addresses", { extensions = { "nameConstraints=permitted;IP:127.0.0.0/255.0.0.0" } },
      { "IP:127.0.0.1" }, "127.0.0.1" },
    { "an authority for other addresses", { extensions = { "nameConstraints=permitted;IP:10.0.0.0/255.0.0.0" } },
      { "IP:127.0.0.1" }, "127.0.0.1", "permitted subtree violation" },
    { "an authority for one of two names", { extensions = { "nameConstraints=permitted;DNS:a.test" } },
      { "a.test", "b.test" }, "a.test", "permitted subtree violation" },
  } do
    local what, between, names, wanted, why = unpack(case, 1, 5)
    it(("with %s is %s"):format(what, why and "refused" or "taken"), function()
      local options = { ca = true, by = root, common_name = "between" }
      for name, value in pairs(between) do options[name] = value end
      local signer = authority.make(options)
      local status, reason = ask(authority.make { by = signer, names = names, common_name = "leaf" }, wanted)
      assert.equal(why and 502 or 200, status)
      if why then assert.matches(why, reason) end
    end)
  end

  it("without the authority in between is refused", function()
    local signer = authority.make { ca = true, by = root, common_name = "between" }
    local leaf = authority.make { by = signer, names = { "a.test" } }
    local first = assert(io.open(leaf.cert)):read("*a"):match "^.-END CERTIFICATE%-+\n"
    local key = assert(io.open(leaf.key)):read "*a"
    local alone = { both = play.file("alone.pem", first .. key) }
    local status, why = ask(alone, "a.test")
    assert.equal(502, status)
    assert.matches("issuer certificate", why)
    assert.equal(200, (ask(alone, "a.test", signer.cert))) -- which is trusted as it is
  end)

  it("finds the authority that is valid, of two with the same key", function()
    local signer = authority.make { ca = true, by = root, common_name = "between", days = 0 }
    local leaf = authority.make { by = signer, names = { "a.test" } }
    local again = play.directory() .. "/again.crt"
    local ext = play.file("again.ext", "basicConstraints=critical,CA:TRUE\n")
    local made = play.run { "openssl", "x509", "-req", "-in", signer.request, "-days", "30", "-CA", root.cert, "-CAkey",
      root.key, "-CAcreateserial", "-extfile", ext, "-out", again }
    assert.equal(0, made.code)
    local function contents(path) return assert(io.open(path)):read "*a" end
    assert.equal(502, (ask(leaf, "a.test")))
    assert.equal(200, (ask(leaf, "a.test", play.file("cas.pem", contents(root.cert) .. contents(again)))))
  end)

  it("longer than its authority allows is refused", function()
    local signer = authority.make { ca = true, by = root, common_name = "between" }
    local short = authority.make { ca = true, common_name = "short" }
    local ext = play.file("short.ext", "basicConstraints=critical,CA:TRUE,pathlen:0\n")
    assert.equal(0, play.run({ "openssl", "x509", "-req", "-in", short.request, "-days", "30", "-signkey", short.key,
      "-extfile", ext, "-out", short.cert }).code)
    local below = authority.make { ca = true, by = short, common_name = "below" }
    local status, why = ask(authority.make { by = below, names = { "a.test" } }, "a.test", short.cert)
    assert.equal(502, status)
    assert.matches("path length constraint exceeded", why)
    assert.equal(200, (ask(authority.make { by = signer, names = { "a.test" } }, "a.test")))
  end)
end)
