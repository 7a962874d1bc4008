-- Requests, byte for byte, on both sides: spec/cases/requests_*.lua, played by a raw
-- client and a raw backend.
local conformance = require "spec.support.conformance"

conformance.specs("a request with", "requests_")
