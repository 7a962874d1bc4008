-- The memory and the CPUs that cgroups leave to lb, read from made-up files.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
double cgroup_cpus(const char *root);
uint64_t cgroup_memory_bytes(const char *root);
]]

local HUGE = 2 ^ 64 -- as a number of Lua: UINT64_MAX

describe("the limits of cgroups", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
  end)

  after_each(function() os.execute("rm -rf " .. root) end)

  -- files: what each holds, by its path below root.
  local function tree(files)
    for path, text in pairs(files) do
      os.execute(("mkdir -p '%s/%s'"):format(root, path:match "^(.*)/"))
      local file = assert(io.open(root .. "/" .. path, "w"))
      file:write(text, "\n")
      file:close()
    end
    return core.cgroup_cpus(root), tonumber(core.cgroup_memory_bytes(root))
  end

  it("are none without cgroups", function()
    local cpus, bytes = tree {}
    assert.equal(math.huge, cpus)
    assert.equal(HUGE, bytes)
  end)

  it("of version 2 are the group's own, outside of a container", function()
    local cpus, bytes = tree {
      ["proc/self/cgroup"] = "0::/system.slice/lb.service",
      ["sys/fs/cgroup/system.slice/lb.service/cpu.max"] = "150000 100000",
      ["sys/fs/cgroup/system.slice/lb.service/memory.max"] = "1000000",
    }
    assert.equal(1.5, cpus)
    assert.equal(1000000, bytes)
  end)

  it("are the limits of a group around it, if these are less", function()
    local cpus, bytes = tree {
      ["proc/self/cgroup"] = "0::/a.slice/b.slice/lb.service",
      ["sys/fs/cgroup/a.slice/cpu.max"] = "50000 100000",
      ["sys/fs/cgroup/a.slice/b.slice/cpu.max"] = "max 100000",
      ["sys/fs/cgroup/a.slice/b.slice/lb.service/cpu.max"] = "400000 100000",
      ["sys/fs/cgroup/a.slice/memory.max"] = "max",
      ["sys/fs/cgroup/a.slice/b.slice/memory.max"] = "7000000",
      ["sys/fs/cgroup/a.slice/b.slice/lb.service/memory.max"] = "9000000",
    }
    assert.equal(0.5, cpus)
    assert.equal(7000000, bytes)
  end)

  it("are the mount's own in a container, whatever the group is called outside", function()
    for _, group in ipairs { "/", "/docker/0123", "/../0123" } do
      assert.equal(2, (tree { ["proc/self/cgroup"] = "0::" .. group, ["sys/fs/cgroup/cpu.max"] = "200000 100000" }))
    end
  end)

  it("do not come from above the mount", function()
    assert.equal(math.huge, (tree {
      ["proc/self/cgroup"] = "0::/../x", ["sys/fs/x/cpu.max"] = "100000 100000",
      ["sys/fs/cgroup/y/cpu.max"] = "100000 100000",
    }))
  end)

  for _, case in ipairs {
    { "4:cpu:/lb", "cpu" }, { "4:cpu,cpuacct:/lb", "cpu,cpuacct" }, { "4:cpuacct,cpu:/lb", "cpuacct,cpu" },
    { "4:cpu,cpuacct:/lb", "cpu" },
  } do
    it(("of version 1 are found: %s below %s"):format(case[1], case[2]), function()
      local folder = "sys/fs/cgroup/" .. case[2]
      local cpus = tree {
        ["proc/self/cgroup"] = "9:name=systemd:/lb\n3:cpuset:/other\n" .. case[1] .. "\n0::/",
        [folder .. "/cpu.cfs_quota_us"] = "-1",
        [folder .. "/cpu.cfs_period_us"] = "100000",
        [folder .. "/lb/cpu.cfs_quota_us"] = "12500",
        [folder .. "/lb/cpu.cfs_period_us"] = "50000",
        ["sys/fs/cgroup/cpuset/other/cpu.cfs_quota_us"] = "1",
        ["sys/fs/cgroup/cpuset/other/cpu.cfs_period_us"] = "100000",
      }
      assert.equal(0.25, cpus)
    end)
  end

  it("are none where version 1 says -1", function()
    assert.equal(math.huge, (tree {
      ["proc/self/cgroup"] = "4:cpu,cpuacct:/", ["sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1",
      ["sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000",
    }))
  end)

  it("are the least of both versions", function()
    local cpus, bytes = tree {
      ["proc/self/cgroup"] = "4:memory:/lb\n3:cpu:/lb\n0::/lb",
      ["sys/fs/cgroup/cpu/lb/cpu.cfs_quota_us"] = "300000",
      ["sys/fs/cgroup/cpu/lb/cpu.cfs_period_us"] = "100000",
      ["sys/fs/cgroup/unified/lb/cpu.max"] = "200000 100000",
      ["sys/fs/cgroup/memory/lb/memory.limit_in_bytes"] = "5000000",
      ["sys/fs/cgroup/unified/memory.max"] = "6000000",
    }
    assert.equal(2, cpus)
    assert.equal(5000000, bytes)
  end)

  it("are none where the files say nothing that can be read", function()
    for _, text in ipairs { "", "max", "x y", "0 100000", "100000", "100000 0" } do
      assert.equal(math.huge, (tree { ["proc/self/cgroup"] = "0::/\nnonsense", ["sys/fs/cgroup/cpu.max"] = text }))
    end
  end)
end)
