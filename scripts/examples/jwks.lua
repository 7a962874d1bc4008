-- Lets only requests with a token (JWT) pass that a login service has signed; names its user to the
-- backend (X-User). Suits OpenID Connect. The service's keys (JWKS) are fetched each minute, as it
-- shows a new key before it signs with it. The key says the algorithm, never the token.
local JWKS, ISSUER, AUDIENCE = "https://127.0.0.1:9009/jwks.json", "https://login.example.com", "api.example.com"
local ALGORITHMS, LEEWAY = { RSA = "RS256", EC = "ES256", OKP = "EdDSA" }, 30 -- s: clocks differ
local keys = {}                                        -- by kid

local function table_of(text)
  local value = lb.json.decode(text or "")
  return type(value) == "table" and value or {}
end

local function refresh()
  local res, fresh = lb.http.get(JWKS, { timeout = 5 }), {}
  local list = res and res.status == 200 and table_of(res.body).keys
  for _, key in ipairs(type(list) == "table" and list or {}) do
    if type(key) == "table" and type(key.kid) == "string" then fresh[key.kid] = key end
  end
  if next(fresh) then keys = fresh else lb.log.warn "no keys have come: the old keys stay" end
end
lb.after(0, refresh)
lb.every(60, refresh)

local function claims_of(token)
  local head, body, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
  local said = table_of(head and lb.base64url.decode(head))
  local key = keys[said.kid or ""]
  local algorithm = key and ALGORITHMS[key.kty]
  if not algorithm or said.alg ~= algorithm or said.crit then return {}, "no key for it" end
  local is_right, why = lb.verify(algorithm, key, head .. "." .. body, lb.base64url.decode(signature) or "")
  return table_of(lb.base64url.decode(body)), not is_right and (why or "signature")
end

local function objection_to(claims)
  local now, is_for_us = os.time(), false
  for _, one in ipairs(type(claims.aud) == "table" and claims.aud or { claims.aud }) do
    is_for_us = is_for_us or one == AUDIENCE
  end
  if claims.iss ~= ISSUER or not is_for_us then return "not for us" end
  if type(claims.exp) ~= "number" or now > claims.exp + LEEWAY then return "expired" end
  if claims.nbf and (type(claims.nbf) ~= "number" or now < claims.nbf - LEEWAY) then return "not yet valid" end
  if type(claims.sub) ~= "string" or not claims.sub:find "^[%w@._|-]+$" then return "no subject" end
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" }, fallback = "fail",
  choose = function(ctx, backends)
    local claims, why = claims_of((ctx.headers:one "authorization" or ""):match "^[Bb]earer +(%S+)$" or "")
    why = why or objection_to(claims)
    if not why then return lb.policy.round_robin(ctx, backends), { request_headers = { ["X-User"] = claims.sub } } end
    local headers = { ["WWW-Authenticate"] = 'Bearer error="invalid_token"' }
    return ctx:reject(next(keys) and 401 or 503, { headers = headers, why = why })
  end,
}
