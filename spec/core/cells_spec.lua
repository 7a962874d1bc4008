-- Small secrets: wiped when they are given back, in pages that are locked and that no dump has.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct cells { size_t bytes; void *next, *previous; };
void cells_init(struct cells *, size_t bytes);
char *cells_take(struct cells *);
void cells_give(struct cells *, char *cell);
]]

local BYTES = 300

-- The flags of the mapping that has this address: "dd" is not dumped, "lo" is locked.
local function flags_of(address)
  local at, inside = tonumber(ffi.cast("uintptr_t", address)), false
  for line in io.lines "/proc/self/smaps" do
    local from, to = line:match "^(%x+)%-(%x+) "
    if from then inside = tonumber(from, 16) <= at and at < tonumber(to, 16) end
    local flags = inside and line:match "^VmFlags: (.*)"
    if flags then return flags end
  end
end

local function is_zero(cell, from)
  for i = from or 0, BYTES - 1 do if cell[i] ~= 0 then return false end end
  return true
end

describe("cells", function()
  local cells

  before_each(function()
    cells = ffi.new "struct cells"
    core.cells_init(cells, BYTES)
  end)

  it("are zero, each apart from all others, and keep what is written", function()
    local taken = {}
    for i = 1, 1000 do
      taken[i] = core.cells_take(cells)
      assert.is_true(is_zero(taken[i]))
      ffi.fill(taken[i], BYTES, i % 255 + 1)
    end
    for i, cell in ipairs(taken) do
      for at = 0, BYTES - 1 do assert(cell[at] == ffi.cast("char", i % 255 + 1)) end
      core.cells_give(cells, cell)
    end
  end)

  it("are wiped when they are given back", function()
    local kept, cell = core.cells_take(cells), core.cells_take(cells)
    ffi.fill(cell, BYTES, 7)
    core.cells_give(cells, cell)
    assert.is_true(is_zero(cell, ffi.sizeof "void *")) -- an address links the free ones
    local again = core.cells_take(cells)
    assert.equal(cell, again)
    assert.is_true(is_zero(again))
    core.cells_give(cells, again)
    core.cells_give(cells, kept)
  end)

  it("lie in pages that are in no core dump, and are locked", function()
    local cell = core.cells_take(cells)
    assert.is_truthy(flags_of(cell):find "dd")
    assert.is_truthy(flags_of(cell):find "lo")
    core.cells_give(cells, cell)
  end)
end)
