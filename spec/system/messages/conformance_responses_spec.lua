-- Responses and whole exchanges, byte for byte, on both sides: spec/cases/responses_*.lua and
-- exchanges_*.lua, played by a raw client and a raw backend.
local conformance = require "spec.support.conformance"

conformance.specs("what a client gets:", "responses_")
conformance.specs("an exchange with", "exchanges_")
