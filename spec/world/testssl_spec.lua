-- What testssl.sh says of lb: nothing that is worse than "info", and grade A where it gives grades.
local json = require "dkjson"
local authority = require "spec.support.authority"
local loop = require "spec.support.loop"
local play = require "spec.support.play"
local process = require "spec.support.process"
local read = require("spec.support.files").read

-- Findings that are not lb's: the certificate's, and testssl.sh's own library.
local NOT_OURS = {
  ["cert_revocation"] = "the certificate names no OCSP and no CRL, as those of Let's Encrypt name no OCSP",
  ["OCSP_stapling"] = "there is nothing to staple", ["DNS_CAArecord"] = "the name is not in any DNS",
  ["certificate_transparency"] = "no log has it", ["cert_validityPeriod"] = "it is the spec's",
  ["sessionresumption_ticket"] = "its client leaves before a ticket of TLS 1.3 comes; resumption_spec.lua sees to it",
  ["engine_problem"] = "of testssl.sh's own openssl", ["cert_mustStapleExtension"] = "it has none",
}

local HEADERS = [[
  response = {
    ["Strict-Transport-Security"] = "max-age=31536000", ["X-Frame-Options"] = "DENY",
    ["X-Content-Type-Options"] = "nosniff", ["Content-Security-Policy"] = "default-src 'self'",
    ["Referrer-Policy"] = "no-referrer",
  },
]]

local function start()
  local ca = authority.make { ca = true, common_name = "Spec CA", file = "ca" }
  local leaf = {
    names = { "lb.test" }, by = ca, days = 89,
    extensions = { "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth" },
  }
  leaf.file = "ec"
  local ecdsa = authority.make(leaf)
  leaf.key, leaf.file = "rsa", "rsa"
  local rsa = authority.make(leaf)
  local lb = play.balancer { listen = false, script = ([[return {
    listen = { { "127.0.0.1:0", tls = true } }, tls = { certificates = { %q, %q } },
    choose = function(ctx) return ctx:respond { body = "hello", headers = %s } end,
  }]]):format(ecdsa.both, rsa.both, HEADERS:match "response = (%b{})") }
  return lb, ca
end

local function findings(lb, ca)
  local path = process.directory() .. "/testssl.json"
  local tool = process.start {
    "testssl", "--quiet", "--warnings", "off", "--color", "0", "--nodns", "min", "--ip", "127.0.0.1",
    "--add-ca", ca.cert, "--jsonfile", path, ("https://lb.test:%d/"):format(lb.port),
  }
  -- A quarter of a thousand handshakes with openssl, each a process.
  loop.wait("testssl.sh to end", function() return tool.exit end, 570)
  return assert(json.decode(read(path)), "testssl.sh has said nothing: " .. table.concat(tool.err, "\n"))
end

describe("testssl.sh", function()
  after_each(play.curtain)

  it("finds nothing worse than 'info', and gives grade A", function()
    local lb, ca = start()
    local wrong, seen = {}, {}
    for _, finding in ipairs(findings(lb, ca)) do
      local id, severity = finding.id:match "^%S+", finding.severity
      seen[id] = finding.finding
      if severity ~= "OK" and severity ~= "INFO" and not NOT_OURS[id] then
        wrong[#wrong + 1] = ("%s %s: %s"):format(severity, id, finding.finding)
      end
    end
    assert.same({}, wrong)
    assert.matches("^offered", seen.TLS1_3) -- it has looked
    assert.truthy(seen.BREACH and seen.ROBOT and seen.LUCKY13)
    if seen.overall_grade then assert.matches("^A", seen.overall_grade) end -- from 3.2 on
    assert.equal("hello", (play.run { "curl", "-sSk", "https://" .. lb.address .. "/" }).out)
  end)
end)
