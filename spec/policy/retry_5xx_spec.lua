local outcome = require "spec.support.outcome"
local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("retry 5xx", function()
  local policy
  before_each(function() policy = script.load "scripts/retry_5xx.lua" end)

  local function verdict(status, facts)
    return policy.on_response(request(facts or {}), pool({ "a" })[1], outcome.response { status = status })
  end

  it("asks another backend on 502, 503 and 504", function()
    for _, status in ipairs { 502, 503, 504 } do assert.equal("next", verdict(status)) end
  end)

  it("passes every other answer on", function()
    for _, status in ipairs { 200, 304, 404, 429, 500, 501 } do assert.is_nil(verdict(status)) end
  end)

  it("repeats nothing that may not be", function()
    assert.is_nil(verdict(503, { method = "POST" }))
    assert.equal("next", verdict(503, { method = "POST", idempotent = true }))
  end)

  it("passes the third backend's answer on, whatever it is", function()
    assert.equal("next", verdict(503, { attempts = 2 }))
    assert.is_nil(verdict(503, { attempts = 3 }))
  end)

  it("goes by other statuses if they are given", function()
    policy = script.load_text "return require 'retry_5xx' { statuses = { 500 } }"
    assert.equal("next", verdict(500))
    assert.is_nil(verdict(503))
  end)
end)
