-- The setting tracing: what is refused, with its line, and what is printed.
local settings = require "spec.support.settings"

local URL = "to = 'http://127.0.0.1:4318/v1/traces'"

describe("the setting tracing", function()
  local REFUSED = {
    { "", ': tracing: to is missing: add to = "http://127.0.0.1:4318/v1/traces", where a collector takes OTLP' },
    { "to = 'c:4318'", ': tracing.to: expected http:// or https:// in front, as in "http://127.0.0.1:4318/v1/traces"' },
    { "to = 'http://'", ": tracing.to: the host is missing, or is none" },
    { "to = 'http://a b/v1/traces'", ": tracing.to: the host is missing, or is none" },
    { "to = 'http://u:p@a/v1/traces'", ": tracing.to: the host is missing, or is none" },
    { "to = 'http://a:4318'", ": tracing.to: the path is missing, which is usually /v1/traces" },
    { "to = 'http://a:4318/'", ": tracing.to: the path is missing, which is usually /v1/traces" },
    { "to = 'http://a/v1 x'", ": tracing.to: its path has bytes that are sent as %20 and the like" },
    { "to = 'http://a/v1#x'", ": tracing.to: its path has bytes that are sent as %20 and the like" },
    { "to = 'http://a/' .. ('x'):rep(512)", ": tracing.to: a URL has 511 bytes at most" },
    { URL .. ", part = 1.5", ": tracing.part: expected a number from 0 to 1, got 1.5" },
    { URL .. ", slow_s = 0", ": tracing.slow_s: expected a number from 0.001 to 3600 (seconds), got 0" },
    { URL .. ", always = { 'ok' }", ": tracing.always[1]: expected 'failed', 'retried' or 'slow'" },
    { URL .. ", trust = 'me'", ": tracing.trust: expected 'trusted_proxies', 'all' or 'none', got 'me'" },
    { URL .. ", service = ''", ": tracing.service: expected a name of 1 to 255 bytes" },
    { URL .. ", headers = { ['a b'] = 'c' }", ": tracing.headers: 'a b' is no name of a header" },
    { URL .. ", headers = { a = 'b\\nc' }", ": tracing.headers: 'a' has line ends, or other control bytes" },
    { URL .. ", headers = { ['Content-Type'] = 'c' }",
      ": tracing.headers: 'Content-Type' is a header that lb sets itself" },
    { URL .. ", headers = { ['Content-Length'] = '1' }",
      ": tracing.headers: 'Content-Length' is a header that lb sets itself" },
    { URL .. ", headers = { a = ('x'):rep(4096) }", ": tracing.headers: at most 16 headers, of 4096 bytes" },
    { URL .. ", tls = {}", ": tracing.tls: to has no TLS: write https:// in front of it" },
    { "to = 'https://a/v1', tls = { verify = false, ca = 'x' }",
      ": tracing.tls.ca: nothing is verified: leave out verify = false, or ca" },
    { "to = 'https://a/v1', tls = { key = 'x' }",
      ": tracing.tls.key: cert is missing, the certificate that the key belongs to" },
    { URL .. ", tokn = 'x'", ": tracing: unknown field 'tokn'" },
  }
  for _, case in ipairs(REFUSED) do
    it("is refused: " .. case[1], function()
      local _, err = settings.printed(("return { backends = 'a:1', tracing = { %s } }"):format(case[1]))
      assert.truthy((err or "nothing was wrong"):find(case[2], 1, true), err)
    end)
  end

  it("is printed as it was given, without the values of headers", function()
    local text = settings.printed([[return { backends = 'a:1', tracing = {
      to = "https://c:4318/v1/traces", part = 0.25, always = { "slow" }, slow_s = 0.5, trust = "all", service = "shop",
      headers = { authorization = "Bearer secret" }, tls = { ca = "ca.pem", name = "c.test" },
    } }]])
    local printed = assert(loadstring(text))().tracing
    assert.same({
      to = "https://c:4318/v1/traces", part = 0.25, always = { "slow" }, slow_s = 0.5, trust = "all", service = "shop",
      headers = { authorization = ("*"):rep(16) }, tls = { verify = true, ca = "ca.pem", name = "c.test" },
    }, printed)
  end)
end)
