local outcome = require "spec.support.outcome"
local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("https redirect", function()
  local policy
  before_each(function() policy = script.load "scripts/https_redirect.lua" end)

  local function choose(facts) return policy.choose(request(facts), pool { "a" }) end

  local function with(options)
    policy = script.load_text("return require 'https_redirect' " .. options)
  end

  local function hsts(facts)
    local _, more = policy.on_response(request(facts), pool({ "a" })[1], outcome.response {})
    return more and more.response_headers["Strict-Transport-Security"]
  end

  it("sends plain HTTP to the same URL with https", function()
    local answer = choose { host = "shop.example", path = "/a%20b", query = "x=1&y" }
    assert.same({ 308, "https://shop.example/a%20b?x=1&y" }, { answer.status, answer.headers.Location })
    assert.equal("https://shop.example/", choose({ host = "shop.example" }).headers.Location)
    assert.equal("https://a/", choose({ host = "a", method = "OPTIONS", path = "*" }).headers.Location)
    assert.equal("https://[::1]/", choose({ host = "[::1]" }).headers.Location)
  end)

  it("keeps the method, whichever it is", function()
    assert.equal(308, choose({ method = "POST" }).status)
  end)

  it("serves what has come with TLS, and tells it to stay", function()
    assert.equal("a", choose({ scheme = "https" }).name)
    assert.equal("max-age=86400", hsts { scheme = "https" })
  end)

  it("says nothing of HSTS without TLS", function()
    assert.is_nil(hsts { scheme = "http" })
  end)

  it("serves challenges of certificates without TLS", function()
    assert.equal("a", choose({ path = "/.well-known/acme-challenge/token" }).name)
    assert.equal(308, choose({ path = "/.well-known/acme-challenge/../../admin" }).status)
    assert.equal(308, choose({ path = "/.well-known/acme-challenge" }).status)
    with "{ except = {} }"
    assert.equal(308, choose({ path = "/.well-known/acme-challenge/token" }).status)
  end)

  it("answers 400 to who names no host", function()
    assert.equal(400, choose({ host = "" }).status)
  end)

  it("has another port, age and policy if the options say so", function()
    with "{ port = 8443, max_age = 60, subdomains = true, policy = function() return nil, 'mine' end }"
    assert.equal("https://shop.example:8443/", choose({ host = "shop.example" }).headers.Location)
    assert.equal("max-age=60; includeSubDomains", hsts { scheme = "https" })
    assert.same({ nil, "mine" }, { policy.choose(request { scheme = "https" }, pool { "a" }) })
  end)

  it("withdraws HSTS with an age of 0, and says nothing of it with hsts = false", function()
    with "{ max_age = 0 }"
    assert.equal("max-age=0", hsts { scheme = "https" })
    assert.is_nil(hsts { scheme = "http" })
    with "{ hsts = false }"
    assert.is_nil(hsts { scheme = "https" })
  end)
end)
