-- infra/apart.sh, which gives each file of specs a network of its own.
local play = require "spec.support.play"


describe("infra/apart.sh", function()
  after_each(play.curtain)

  local function apart(command, lose)
    return play.run { "infra/apart.sh", "bash", "-c", command, env = { LOSE = lose or false } }
  end
  local allowed = play.run({ "infra/apart.sh" }).out
  local is_allowed = allowed == "in a network of its own\n"

  it("says where a command would run", function()
    if not is_allowed then assert.matches("^in this machine's network: .+\n$", allowed) end
  end)

  it("runs a command there, as the same user, with its status", function()
    local result = apart "id -u; id -g; exit 3"
    assert.same({ 3, play.run({ "sh", "-c", "id -u; id -g" }).out }, { result.code, result.out })
  end)

  it("hides the ports of others", function()
    local port = play.backend(function() end).port
    local said = apart(("(exec 3<>/dev/tcp/127.0.0.1/%d) 2>/dev/null || echo refused"):format(port)).out
    assert.equal(is_allowed and "refused\n" or "", said)
  end)

  it("has loopback, of both versions", function()
    if not is_allowed then return end
    local opens = "(exec 3<>/dev/tcp/%s/1) 2>&1 | grep -o 'Connection refused' | sort -u"
    for _, address in ipairs { "127.0.0.1", "::1" } do
      assert.equal("Connection refused\n", apart(opens:format(address)).out)
    end
  end)

  it("drops the first SYN and each n-th after it, if it is to", function()
    if not is_allowed then return end
    local counted = [[for i in 1 2 3; do
      (exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null
      awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp
    done]] -- RetransSegs
    assert.equal("1\n1\n2\n", apart(counted, 3).out)
  end)
end)
