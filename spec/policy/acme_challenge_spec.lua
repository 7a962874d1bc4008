local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("acme challenge", function()
  local policy, world
  before_each(function() policy, world = script.load "scripts/acme_challenge.lua" end)

  local function choose(path) return policy.choose(request { path = path, host = "shop.example" }, pool { "a" }) end

  it("answers a challenge as certbot does", function()
    world.http = function() return { body = "token.thumbprint" } end
    local answer = choose "/.well-known/acme-challenge/Abc_-9"
    assert.same({ 200, "token.thumbprint" }, { answer.status, answer.body })
    local sent = world.requests[1]
    assert.same({ "GET", "http://127.0.0.1:8888/.well-known/acme-challenge/Abc_-9", "shop.example" },
      { sent.method, sent.url, sent.headers.Host })
  end)

  it("answers 404 while certbot is not there, and as certbot does for other tokens", function()
    assert.equal(404, choose("/.well-known/acme-challenge/x").status)
    world.http = function() return { status = 405 } end
    assert.equal(405, choose("/.well-known/acme-challenge/x").status)
  end)

  it("has no say in other paths", function()
    for _, path in ipairs { "/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/a/b",
      "/.well-known/acme-challenge/../x", "/.well-known/acme-challenge/a%2fb", "/a/.well-known/acme-challenge/x" } do
      assert.equal("a", choose(path).name)
    end
    assert.same({}, world.requests)
  end)

  it("has another address and policy if the options say so", function()
    policy, world = script.load_text(
      "return require 'acme_challenge' { address = 'acme:80', policy = function() return nil, 'mine' end }")
    choose "/.well-known/acme-challenge/x"
    assert.equal("http://acme:80/.well-known/acme-challenge/x", world.requests[1].url)
    assert.same({ nil, "mine" }, { choose "/" })
  end)
end)
