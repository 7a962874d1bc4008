-- Serves an application under a folder that it does not know: it gets /shop/cart as /cart. Its
-- redirects and cookies get the folder back. Suits one host name for several applications; links
-- inside pages stay as they are. All outside of the folder is a 404.
local FOLDER, INNER_HOST = "/shop", "shop.internal"
local INNER_URL = "^https?://" .. INNER_HOST:gsub("%.", "%%.") .. "/"

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },

  choose = function(ctx, backends)
    if ctx.path == FOLDER then return ctx:redirect(FOLDER .. "/", 308) end
    if ctx.path:sub(1, #FOLDER + 1) ~= FOLDER .. "/" then return ctx:reject(404) end
    return lb.policy.round_robin(ctx, backends),
      { path = ctx.path:sub(#FOLDER + 1), host = INNER_HOST, request_headers = { ["X-Forwarded-Prefix"] = FOLDER } }
  end,

  on_response = function(ctx, backend, res)
    local location, cookies = res.headers.location, res.headers:all "set-cookie"
    if location then
      location = location:gsub(INNER_URL, "/")
      if location:find "^/[^/]" or location == "/" then location = FOLDER .. location end
    end
    for i, cookie in ipairs(cookies) do
      cookies[i] = cookie:gsub(";%s*[Pp]ath=/", "; Path=" .. FOLDER .. "/")
    end
    return nil, { response_headers = { Location = location, ["Set-Cookie"] = #cookies > 0 and cookies or nil } }
  end,
}
