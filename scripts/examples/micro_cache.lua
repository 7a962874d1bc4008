-- Keeps pages that are the same for everybody for 1 s in each worker; one request asks for a page.
-- Suits expensive pages that are asked for often. Requests with a cookie, credentials or a Range go
-- the usual way, and so do answers but a 200 of 64 KiB without Set-Cookie, Vary and Cache-Control.
local KEEP, PAGES = 1, 500                             -- seconds; how many pages
local pages, count = {}, 0

local function fetched(ctx, backends)
  local backend, query = backends:sample(), ctx.query ~= "" and "?" .. ctx.query or ""
  local url = backend and "http://" .. backend.address .. ctx.path .. query
  local res = url and lb.http.get(url, { timeout = 5, max_body = 65536, headers = { Host = ctx.headers.host } })
  if not res or res.status ~= 200 then return nil end
  for _, name in ipairs { "Set-Cookie", "Vary", "Cache-Control", "Content-Encoding" } do
    if res.headers[name] then return nil end
  end
  return { headers = { ["Content-Type"] = res.headers["content-type"] }, body = res.body }
end

local function page_of(ctx, backends)
  local key = ctx.scheme .. "://" .. (ctx.headers.host or "") .. ctx.path .. "?" .. ctx.query
  while pages[key] and pages[key].is_asked_for do lb.sleep(0.005) end
  if pages[key] and lb.now() < pages[key].till then return pages[key].answer end
  if count >= PAGES then pages, count = {}, 0 end
  local new = { is_asked_for = true, till = 0 }
  pages[key], count = new, count + (pages[key] and 0 or 1)
  ctx:finally(function() new.is_asked_for = false end)               -- also if its client leaves
  new.answer = fetched(ctx, backends)
  new.is_asked_for, new.till = false, lb.now() + KEEP
  return new.answer
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001", "127.0.0.1:9002" },
  choose = function(ctx, backends)
    local is_plain = ctx.method == "GET" and not (ctx.headers.cookie or ctx.headers.authorization or ctx.headers.range)
    if is_plain and not ctx.vars.page then ctx.vars.page = page_of(ctx, backends) or "none" end
    if is_plain and ctx.vars.page ~= "none" then return ctx:respond(ctx.vars.page) end
    return lb.policy.least_in_flight(ctx, backends)
  end,
}
