-- Certificates: which one a name gets, what lb says of them, and how new files take the old ones'
-- place.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local read = require("spec.support.files").read
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"
local uv = require "luv"

local LISTEN = "listen = { '127.0.0.1:0', { '127.0.0.1:0', tls = true } },"

local function quoted(paths)
  local list = {}
  for i, path in ipairs(paths) do list[i] = ("%q"):format(path) end
  return table.concat(list, ", ")
end

local function script(paths, more)
  return reloading.answering("hello", ("%s tls = { certificates = { %s }, %s },"):format(LISTEN, quoted(paths),
    more or ""))
end

local function paired(cert, key)
  local certificate = ("{ cert = %q, key = %q }"):format(cert, key)
  return reloading.answering("hello", ("%s tls = { certificates = { %s } },"):format(LISTEN, certificate))
end

local function start(text, options)
  options = options or {}
  options.listen = false
  local lb, say = reloading.start(text, options)
  local secure = lb:event("listening", { tls = true }).address
  return lb, say, secure
end

-- Whose certificate a client gets that asks for that name.
local function shown(address, name)
  local conn, why = tls.client(address, { name = name, may_fail = true })
  if not conn then return nil, why end
  local subject = tls.said(conn).certificate
  conn:close()
  return (subject:gsub("^/CN=", ""))
end

local function write(path, text)
  local file = assert(io.open(path .. ".new", "w"))
  file:write(text)
  file:close()
  assert(os.rename(path .. ".new", path))
end

-- Of days left, when a second of the first day may be over or not.
local function whole(days) return math.ceil(days / 5) * 5 end

describe("a certificate", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  it("is that of the name, of its wildcard, or the first one", function()
    local first = authority.make { names = { "first.example" } }
    local shop = authority.make { names = { "shop.example" } }
    local wild = authority.make { names = { "*.shop.example" }, common_name = "wild" }
    local _, _, secure = start(script { first.both, shop.both, wild.both })
    local got = {}
    for i, name in ipairs { "shop.example", "SHOP.example", "a.shop.example", "a.b.shop.example", "other" } do
      got[i] = shown(secure, name)
    end
    assert.same({ "shop.example", "shop.example", "wild", "first.example", "first.example" }, got)
    assert.equal("first.example", shown(secure))
  end)

  it("is none for a name that none has, if they are strict", function()
    local shop = authority.make { names = { "shop.example" } }
    local _, _, secure = start(script({ shop.both }, "strict = true"))
    assert.equal("shop.example", shown(secure, "shop.example"))
    local none, why = shown(secure, "other.example")
    assert.is_nil(none)
    assert.matches("unrecognized name", why)
  end)

  it("is of the kind that the client can check", function()
    local rsa = authority.make { names = { "shop.example" }, key = "rsa", common_name = "rsa" }
    local ecdsa = authority.make { names = { "shop.example" }, common_name = "ecdsa" }
    local _, _, secure = start(script { rsa.both, ecdsa.both })
    assert.equal("ecdsa", shown(secure, "shop.example"))
    local function kind(ciphers)
      local result = play.run { "openssl", "s_client", "-connect", secure, "-servername", "shop.example", "-tls1_2",
        "-cipher", ciphers, stdin = "" }
      return result.out:match "subject=CN ?= ?(%w+)" -- with blanks by OpenSSL 3.0, without by 3.5
    end
    assert.equal("rsa", kind "ECDHE-RSA-AES128-GCM-SHA256")
    assert.equal("ecdsa", kind "ECDHE-ECDSA-AES128-GCM-SHA256")
  end)

  it("is said to be loaded, and to end soon", function()
    local soon = authority.make { names = { "soon.example" }, days = 10 }
    local later = authority.make { names = { "later.example", "www.later.example" }, days = 80 }
    local over = authority.make { names = { "over.example" }, days = 0 }
    local lb = start(script { later.both, soon.both })
    local loaded = lb:event "tls_loaded"
    assert.same({ 2, 3, 10 }, { loaded.certificates, loaded.names, whole(loaded.days) })
    local expires = lb:event "tls_expires"
    assert.same({ "warn", soon.both, "soon.example", 10 },
      { expires.level, expires.certificate, expires.name, whole(expires.days) })
    assert.equal(1, #lb:events "tls_expires")
    lb = start(script { over.both })
    expires = lb:event "tls_expires"
    assert.same({ "error", over.both, 0 }, { expires.level, expires.certificate, expires.days })
    assert.equal("1 certificate for 1 name; 1 expired", lb:event "tls_loaded".message)
  end)

  it("can be given by a reload only where a listener had it at the start", function()
    local shop = authority.make { names = { "shop.example" } }
    local plain = "return { listen = { '127.0.0.1:0' }, choose = function(ctx) return ctx:respond { body = 'x' } end }"
    local lb, say = reloading.start(plain, { listen = false })
    local reload = say(script { shop.both })
    assert.same({ "reload", "tls, health.interval, health.timeout, text" }, { reload.event, reload.changed })
    local kept = lb:event "reload_kept"
    assert.same({ "listen", "listen cannot change while lb runs: restart it for the new value" },
      { kept.kept, kept.message })
    assert.equal("hello", lb:fetch("/").body)
  end)

  it("is in no core dump, and a worker cannot write to it", function()
    local shop = authority.make { names = { "shop.example" } }
    local lb = start(script { shop.both })
    for _, pid in ipairs(lb:children()) do
      local found = 0
      for mapping in read(("/proc/%d/smaps"):format(pid)):gmatch "%x+%-%x+ [^\n]*\nSize: +131072 kB.-VmFlags:[^\n]*" do
        found = found + 1
        assert.matches("^%x+%-%x+ r%-%-s", mapping)
        assert.matches("VmFlags:[^\n]* dd", mapping)
      end
      assert.is_true(found >= 3) -- two editions and the draft; that of the start may be in pieces
    end
  end)

  it("has a key that only lb should read", function()
    local shop = authority.make { names = { "shop.example" } }
    uv.fs_chmod(shop.key, tonumber("644", 8))
    local lb = start(paired(shop.cert, shop.key))
    assert.equal(shop.key, lb:event "tls_key_readable".file)
  end)
end)

describe("https:// in LISTEN", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  it("is a listener with TLS by the script's certificates, after a reload, too", function()
    local shop = authority.make { names = { "shop.example" } }
    local lb, say, secure = start(script { shop.both }, { env = { LISTEN = "https://127.0.0.1:0" } })
    local conn = tls.client(secure, { name = "shop.example" })
    conn:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("hello", conn:response().body)
    say(reloading.answering("again", ("tls = { certificates = { %q } },"):format(shop.both)))
    conn = tls.client(secure, { name = "shop.example" })
    conn:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("again", conn:response().body)
    assert.same({}, lb:events "tls_unused")
  end)
end)

describe("lb check", function()
  after_each(play.curtain)

  local function check(text) return play.lb { "check", play.file("checked.lua", text) } end

  it("lists certificates, with what to mind", function()
    local rsa = authority.make { names = { "a.example", "b.example" }, key = "rsa" }
    local both = authority.make { names = { "a.example" } }
    local soon = authority.make { names = { "c.example" }, days = 5 }
    local twice = authority.make { names = { "c.example" }, days = 60 }
    uv.fs_chmod(twice.both, tonumber("640", 8))
    local said = check(script { rsa.both, both.both, soon.both, twice.both })
    assert.equal(0, said.code, said.err)
    local lines = {}
    for line in said.out:gmatch "[^\n]+" do
      if line:find "^%-%- certificate" or line:find "^%-%- warning" then
        lines[#lines + 1] = line:gsub("(%d+) days left", function(days) return whole(days) .. " days left" end)
      end
    end
    assert.same({
      ("-- certificate %q: RSA 2048, 90 days left, for a.example, b.example"):format(rsa.both),
      ("-- certificate %q: ECDSA 256, 90 days left, for a.example"):format(both.both),
      ("-- certificate %q: ECDSA 256, 5 days left, for c.example"):format(soon.both),
      ("-- certificate %q: ECDSA 256, 60 days left, for c.example"):format(twice.both),
      ("-- warning: %q: 5 days left"):format(soon.both),
      ("-- warning: %q: others may read this private key: chmod 600"):format(twice.both),
      ("-- warning: c.example is in two certificates: that before %q serves it"):format(twice.both),
      "-- warning: b.example has an RSA key alone: with one of ECDSA next to it a handshake costs less than half of " ..
        "the CPU time",
    }, lines)
    assert.is_table(assert(loadstring(said.out))())
  end)

  it("warns that the listeners of LISTEN or --listen have no TLS, and checks the files of tls nonetheless", function()
    local shop = authority.make { names = { "shop.example" } }
    local path = play.file("checked.lua", script { shop.both })
    local words = "the script has tls, but the listeners are those of %s, and none of them has it: " ..
      "write https://:443 there"
    local plain = play.lb({ "check", path }, { env = { LISTEN = "127.0.0.1:0" } })
    assert.equal(0, plain.code, plain.err)
    assert.truthy(plain.out:find("\n-- warning: " .. words:format "LISTEN" .. "\n", 1, true), plain.out)
    assert.falsy(play.lb({ "check", path }).out:find("none of them has it", 1, true))
    local secure = play.lb({ "check", "--listen", "https://127.0.0.1:0,127.0.0.1:0", path })
    assert.falsy(secure.out:find("none of them has it", 1, true), secure.out)
    assert.truthy(secure.out:find('{ "127.0.0.1:0", tls = true }, "127.0.0.1:0"', 1, true), secure.out)
    local wrong = play.lb { "check", "--listen", ":0", play.file("wrong.lua", script { "/nowhere/a.pem" }) }
    assert.equal(2, wrong.code)
    assert.truthy(wrong.err:find("/nowhere/a.pem: No such file or directory", 1, true), wrong.err)
    local lb = play.balancer { file = path, listen = false, env = { LISTEN = "127.0.0.1:0" } }
    local event = lb:event "tls_unused"
    assert.same({ "LISTEN", "warn", words:format "LISTEN" }, { event.by, event.level, event.message })
  end)

  it("tries hooks with ctx.tls where the first listener has it", function()
    local shop = authority.make { names = { "shop.example" } }
    local function with(client, choose)
      return check(([[return { listen = { { "127.0.0.1:0", tls = true } }, tls = { certificates = %q, %s },
        choose = function(ctx) return ctx:respond { body = %s } end }]]):format(shop.both, client, choose))
    end
    local ca = ("client = { ca = %q, verify = %%q }"):format(shop.cert)
    assert.equal(0, with("", "ctx.tls.version .. ctx.scheme").code)
    assert.equal(0, with("", "ctx.tls.fingerprint:sub(1, 3)").code)
    assert.equal(0, with(ca:format "require", "ctx.tls.client.subject").code)
    assert.equal(2, with(ca:format "request", "ctx.tls.client.subject").code)
  end)

  it("prints the ciphers and groups in effect", function()
    local shop = authority.make { names = { "shop.example" } }
    local function printed(more) return check(script({ shop.both }, more)).out end
    local usual = printed ""
    assert.matches("\n%-%- ciphers: TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:[%w_:]*" ..
      "ECDHE%-ECDSA%-AES128%-GCM%-SHA256:ECDHE%-RSA%-AES128%-GCM%-SHA256:[%w:-]*CHACHA20%-POLY1305\n" ..
      "%-%- groups: [%w:]*X25519:P%-256:P%-384\n", usual)
    local own = printed "ciphers = 'ECDHE-ECDSA-AES256-GCM-SHA384', groups = 'P-384',"
    assert.matches(":ECDHE-ECDSA-AES256-GCM-SHA384\n-- groups: P-384\n", own, 1, true)
    assert.not_matches("AES128%-GCM", own)
    local late = printed "min_version = '1.3',"
    assert.matches("\n%-%- ciphers: TLS_[%u%d_:]+\n%-%- groups", late)
  end)

  it("tries all sites, and names the one that is wrong", function()
    local shop = authority.make { names = { "shop.example" } }
    local small = authority.make { names = { "b.test" }, key = "rsa" }
    local said = check(script({ shop.both, small.both }, "ciphers = 'ECDHE+AESGCM:@SECLEVEL=3'"))
    assert.equal(2, said.code)
    assert.matches(": tls: b.test: certificate and key cannot be used: ee key too small", said.err, 1, true)
  end)

  it("shows ciphers and groups that are wrong", function()
    local shop = authority.make { names = { "shop.example" } }
    local function wrong(more)
      local said = check(script({ shop.both }, "\n" .. more))
      assert.equal(2, said.code)
      return (said.err:gsub("^.-checked%.lua:", ":"):gsub("\n$", ""))
    end
    for list, word in pairs {
      FOO = "FOO", TLS_AES_128_GCM_SHA256 = "TLS_AES_128_GCM_SHA256", ["HIGH:FOO"] = "FOO", ["FOO,HIGH"] = "FOO",
      ["HIGH:!MD5:@SECLEVEL=1:+F"] = "+F", ["ECDHE+AESGCM ECDHE+FOO"] = "ECDHE+FOO", ["!HIGH"] = "!HIGH",
    } do
      assert.equal((":2: tls.ciphers: OpenSSL knows no cipher of TLS 1.2 in '%s': write names as " ..
        "ECDHE-RSA-AES128-GCM-SHA256; those of TLS 1.3 cannot be chosen"):format(word),
        wrong(("ciphers = %q"):format(list)))
    end
    for _, list in ipairs {
      "HIGH:!aNULL:!MD5:!RC4", "ECDHE+AESGCM:@SECLEVEL=2", "ECDHE+AESGCM, +AES256", "HIGH:-3DES:",
    } do
      assert.equal(0, check(script({ shop.both }, ("ciphers = %q"):format(list))).code, list)
    end
    assert.equal(":2: tls.groups: OpenSSL does not know all names in 'X25519:P-999': write a list as " ..
      "'X25519:P-256:P-384'", wrong "groups = 'X25519:P-999'")
    assert.matches("in '" .. ("A"):rep(80) .. "%.%.'", wrong(("ciphers = %q"):format(("A"):rep(100))))
  end)

  it("says which file is wrong, and where the script names it", function()
    local shop = authority.make { names = { "shop.example" } }
    local other = authority.make { names = { "other.example" } }
    local nameless = authority.make { common_name = "A person" }
    local function wrong(entries)
      local text = "return { %s backends = 'a:1', tls = {\n certificates = {\n %s } } }"
      local said = check(text:format(LISTEN, entries))
      assert.equal(2, said.code)
      return (said.err:gsub("^.-checked%.lua:", ":"):gsub("\n$", ""))
    end
    assert.equal((":3: tls.certificates[1]: %s: the key is not that of the certificate (with %s)"):format(shop.cert,
      other.key), wrong(("{ cert = %q, key = %q }"):format(shop.cert, other.key)))
    assert.equal((":3: tls.certificates[1]: %s: there is no private key in it"):format(other.cert),
      wrong(("{ cert = %q, key = %q }"):format(shop.cert, other.cert)))
    assert.equal((":3: tls.certificates[1]: %s: there is no certificate in it"):format(shop.key),
      wrong(("{ cert = %q, key = %q }"):format(shop.key, shop.key)))
    assert.equal((":4: tls.certificates[2]: %s: there is no private key in it: with the key in another file write " ..
      '{ cert = "fullchain.pem", key = "privkey.pem" }'):format(shop.cert),
      wrong(("%q,\n%q"):format(other.both, shop.cert)))
    assert.equal(":3: tls.certificates[1]: /nowhere/a.pem: No such file or directory", wrong "'/nowhere/a.pem'")
    assert.equal(":3: tls.certificates[1]: /nowhere/*.pem: no file has such a path", wrong "'/nowhere/*.pem'")
    local loop = play.file("loop", "") .. ".d"
    assert(uv.fs_symlink(loop, loop))
    assert.equal((":3: tls.certificates[1]: %s/*.pem: Too many levels of symbolic links"):format(loop),
      wrong(("%q"):format(loop .. "/*.pem")))
    os.remove(loop)
    assert.equal(":3: tls.certificates[1]: /nowhere/*.pem: no pattern is allowed here: write the path of one file",
      wrong "{ cert = '/nowhere/*.pem', key = 'a.key' }")
    assert.equal(':3: tls.certificates[1]: /etc: that is a folder: write the files in it, as in "certs/*.pem"',
      wrong "'/etc'")
    assert.equal((":4: tls.certificates[2]: %s: it has no name (no DNS name in subjectAltName), so nobody would get " ..
      "it: only the first certificate may be so"):format(nameless.both), wrong(("%q,\n%q"):format(shop.both,
      nameless.both)))
  end)
end)

describe("new files of certificates", function()
  local folder

  before_each(function() folder = assert(uv.fs_mkdtemp "/tmp/lb-spec-XXXXXX") end)

  after_each(function()
    tls.clear()
    play.curtain()
    os.execute("rm -r " .. folder)
  end)

  it("are loaded by a reload, and connections that are open stay", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    local new = authority.make { names = { "shop.example" }, common_name = "new" }
    write(folder .. "/shop.pem", read(old.both))
    local lb, say, secure = start(script { folder .. "/*.pem" }, { workers = 2 })
    assert.equal("old", shown(secure))
    local open = tls.client(secure)
    write(folder .. "/shop.pem", read(new.both))
    assert.equal("tls", say().changed)
    for _ = 1, 4 do assert.equal("new", shown(secure)) end
    open:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("hello", open:response().body)
    assert.equal(2, #lb:events "tls_loaded")
    assert.equal("nothing", say().message:match "changed: (.*)$")
  end)

  it("are all that changes then: the script keeps its state", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    local new = authority.make { names = { "shop.example" }, common_name = "new" }
    write(folder .. "/shop.pem", read(old.both))
    local lb, say, secure = start(("local calls = 0 return { %s tls = { certificates = %q }, %s }"):format(LISTEN,
      folder .. "/*.pem", [[choose = function(ctx)
        calls = calls + 1
        return ctx:respond { body = tostring(calls) }
      end]]))
    assert.same({ "1", "2" }, { lb:fetch("/").body, lb:fetch("/").body })
    for i = 1, 4 do
      write(folder .. "/shop.pem", read(i % 2 == 1 and new.both or old.both))
      say()
      assert.equal(i % 2 == 1 and "new" or "old", shown(secure))
      assert.equal(tostring(2 + i), lb:fetch("/").body)
    end
    say(read(say.path):gsub("calls = 0", "calls = 40"))
    assert.equal("41", lb:fetch("/").body)
    assert.equal("old", shown(secure))
  end)

  it("change nothing if one is wrong", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    write(folder .. "/shop.pem", read(old.both))
    local _, say, secure = start(script { folder .. "/shop.pem" })
    write(folder .. "/shop.pem", read(old.cert))
    local event = say()
    assert.same({ "reload_refused", true }, { event.event, event.error:find("no private key in it", 1, true) ~= nil })
    assert.equal("old", shown(secure))
  end)

  it("are used after a worker has died, too", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    local new = authority.make { names = { "shop.example" }, common_name = "new" }
    write(folder .. "/shop.pem", read(old.both))
    local lb, say, secure = start(script { folder .. "/shop.pem" }, { may_lose_workers = true })
    write(folder .. "/shop.pem", read(new.both))
    say()
    os.remove(folder .. "/shop.pem") -- nobody reads it again
    for _, pid in ipairs(lb:children()) do uv.kill(pid, "sigkill") end
    lb:event "worker_died"
    assert.equal("new", shown(secure))
  end)

  it("are not for a script that takes TLS from its listeners", function()
    local old = authority.make { names = { "shop.example" } }
    local _, say, secure = start(script { old.both })
    local event = say(reloading.answering("other", "listen = { '127.0.0.1:0', '127.0.0.1:0' },"))
    assert.equal("reload_refused", event.event)
    assert.matches("listens with TLS cannot change", event.error)
    assert.equal("shop.example", shown(secure))
  end)

  local function watched(paths)
    local lb, say, secure = start(script(paths), { args = { "--watch" } })
    lb:event "watch"
    return lb, say, secure
  end

  local function becomes(secure, name)
    play.wait("the new certificate", function() return shown(secure) == name end, 20)
  end

  it("are loaded when a link leads to them, as certbot's, with --watch", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    local new = authority.make { names = { "shop.example" }, common_name = "new" }
    uv.fs_symlink(old.cert, folder .. "/fullchain.pem")
    uv.fs_symlink(old.key, folder .. "/privkey.pem")
    local text = paired(folder .. "/fullchain.pem", folder .. "/privkey.pem")
    local lb, _, secure = start(text, { args = { "--watch" } })
    lb:event "watch"
    assert.equal("old", shown(secure))
    os.execute(("ln -sfn '%s' %s/fullchain.pem; ln -sfn '%s' %s/privkey.pem"):format(new.cert, folder, new.key, folder))
    becomes(secure, "new")
  end)

  it("are loaded when ..data leads to another folder, as Kubernetes does it, with --watch", function()
    local old = authority.make { names = { "shop.example" }, common_name = "old" }
    local new = authority.make { names = { "shop.example" }, common_name = "new" }
    os.execute(("cd %s && mkdir 1 2 && cp '%s' 1/tls.pem && cp '%s' 2/tls.pem"):format(folder, old.both, new.both))
    os.execute(("cd %s && ln -s 1 ..data && ln -s ..data/tls.pem ."):format(folder))
    local _, _, secure = watched { folder .. "/tls.pem" }
    assert.equal("old", shown(secure))
    os.execute(("cd %s && ln -s 2 ..tmp && mv -T ..tmp ..data"):format(folder))
    becomes(secure, "new")
  end)

  it("are loaded when a pattern has one more, with --watch", function()
    local one = authority.make { names = { "one.example" } }
    local two = authority.make { names = { "two.example" } }
    write(folder .. "/a.pem", read(one.both))
    local _, _, secure = watched { folder .. "/*.pem" }
    assert.equal("one.example", shown(secure, "two.example"))
    write(folder .. "/b.pem", read(two.both))
    play.wait("the new certificate", function() return shown(secure, "two.example") == "two.example" end, 20)
  end)
end)
