-- A sample of spec/cases over TLS, byte for byte on both sides, through a relay that speaks TLS.
local conformance = require "spec.support.conformance"

conformance.specs("TLS 1.3, and a request with", "requests_", { each = 9, version = "1.3" })
conformance.specs("TLS 1.2, and a response with", "responses_", { each = 9, version = "1.2" })
conformance.specs("TLS 1.3, and an exchange with", "exchanges_", { each = 4, version = "1.3" })
