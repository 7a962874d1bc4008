-- Adds the fields that make browsers careful to all answers of the backends, and removes those that
-- reveal too much. Suits applications that nobody can change any more. A Content-Security-Policy of
-- the backend's own stays; cookies get Secure and HttpOnly, and no cache keeps pages of /account.
-- lb's own answers are as `pages` says.
local FIELDS = {
  ["Strict-Transport-Security"] = "max-age=31536000",
  ["X-Content-Type-Options"] = "nosniff",
  ["Referrer-Policy"] = "strict-origin-when-cross-origin",
  Server = false,
  ["X-Powered-By"] = false,
}

local function with_flag(cookie, flag)
  return cookie:lower():find(";%s*" .. flag:lower()) and cookie or cookie .. "; " .. flag
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },
  pages = { headers = { ["X-Content-Type-Options"] = "nosniff" } },
  choose = lb.policy.round_robin,

  on_response = function(ctx, backend, res)
    local fields, cookies = {}, res.headers:all "set-cookie"
    for name, value in pairs(FIELDS) do fields[name] = value end
    for i, cookie in ipairs(cookies) do cookies[i] = with_flag(with_flag(cookie, "Secure"), "HttpOnly") end
    if #cookies > 0 then fields["Set-Cookie"] = cookies end
    if not res.headers["content-security-policy"] then fields["Content-Security-Policy"] = "default-src 'self'" end
    if ctx.clean_path == nil or (ctx.clean_path .. "/"):find "^/account/" then fields["Cache-Control"] = "no-store" end
    return nil, { response_headers = fields }
  end,
}
