-- What a source's list means for the backends that there are.
local ffi = require "ffi"
local found = require "spec.support.found"
local core = found.core

local TAKEN, EMPTY, TOO_FEW = 0, 1, 2
local UNCHECKED, UP, DOWN = 0, 1, 2

local function names(from, to)
  local list = {}
  for i = from, to do list[#list + 1] = ("10.0.0.%d:80"):format(i) end
  return list
end

-- A source under guard: hear(list), look(), and who holds by name.
local function open(rules)
  local guard, now = ffi.new "struct guard", found.new()
  local source = { ms = 1000, states = {} }
  local settings = ffi.new("struct guard_rules", { max_drop = 0.5, min = rules.min or 1, confirm = rules.confirm or 3,
    confirm_ms = rules.confirm_ms or 0 })

  local function standing()
    local list = ffi.new("uint8_t[?]", now.count + 1)
    for i = 0, now.count - 1 do
      list[i] = source.states[ffi.string(now.list[i].name.start)] or source.state or UP
    end
    return list
  end

  function source.hear(entries)
    local next = found.list(entries)
    local result = core.guard_hear(guard, settings, now, standing(), next, source.ms)
    if result.fate == TAKEN then now = next end
    return result
  end

  function source.look()
    local next = found.new()
    local result = core.guard_look(guard, settings, now, standing(), next, source.ms)
    now = next
    return result
  end

  function source.count() return now.count end

  function source.has(name)
    for i = 0, now.count - 1 do
      if ffi.string(now.list[i].name.start) == name then return true end
    end
    return false
  end
  return source
end

describe("the guard", function()
  it("takes the first list as it is", function()
    local source = open {}
    local result = source.hear(names(1, 3))
    assert.same({ TAKEN, 3, 0, 0 }, { result.fate, result.added, result.removed, result.held })
  end)

  it("does not believe an empty list, nor one below min", function()
    local source = open { min = 2 }
    source.hear(names(1, 3))
    for _ = 1, 5 do
      assert.equal(EMPTY, source.hear({}).fate)
      assert.equal(TOO_FEW, source.hear(names(1, 1)).fate)
    end
    assert.equal(3, source.count())
  end)

  it("lets up to half go at once", function()
    local source = open {}
    source.hear(names(1, 4))
    assert.equal(2, source.hear(names(3, 4)).removed)
    assert.equal(2, source.count())
  end)

  it("holds more than half until as many lists as `confirm` have left them out", function()
    local source = open {}
    source.hear(names(1, 12))
    local result = source.hear(names(1, 5))
    assert.same({ 0, 7, 7 }, { result.removed, result.held, result.began })
    result = source.hear(names(1, 5))
    assert.same({ 0, 7, 0 }, { result.removed, result.held, result.began })
    result = source.hear(names(1, 5))
    assert.same({ 7, 0 }, { result.removed, result.held })
    assert.equal(5, source.count())
  end)

  it("begins to count anew for one that a list has again", function()
    local source = open {}
    source.hear(names(1, 12))
    source.hear(names(1, 5))
    source.hear(names(1, 5))
    assert.equal(0, source.hear(names(1, 12)).held)
    assert.equal(7, source.hear(names(1, 5)).held)
    assert.equal(7, source.hear(names(1, 5)).held)
  end)

  it("holds all of an empty list that may be one", function()
    local source = open { min = 0 }
    source.hear(names(1, 3))
    assert.equal(3, source.hear({}).held)
    assert.equal(3, source.hear({}).held)
    assert.equal(3, source.hear({}).removed)
    assert.equal(0, source.count())
  end)

  it("lets one go whose check fails, or that was never well", function()
    local source = open {}
    source.hear(names(1, 12))
    source.states["10.0.0.12:80"], source.states["10.0.0.11:80"] = DOWN, UNCHECKED
    local result = source.hear(names(1, 5))
    assert.same({ 2, 5 }, { result.removed, result.held })
    source.states["10.0.0.10:80"] = DOWN
    result = source.look()
    assert.same({ 1, 4 }, { result.removed, result.held })
    assert.is_false(source.has "10.0.0.10:80")
    assert.is_true(source.has "10.0.0.9:80")
  end)

  it("lets as many go as new ones have passed their check", function()
    local source = open { confirm = 100 }
    source.hear(names(1, 4))
    for i = 5, 8 do source.states[("10.0.0.%d:80"):format(i)] = UNCHECKED end
    local result = source.hear(names(5, 8))
    assert.same({ 4, 0, 4 }, { result.added, result.removed, result.held })
    assert.equal(8, source.count())
    source.states["10.0.0.5:80"], source.states["10.0.0.6:80"] = UP, UP
    assert.equal(2, source.look().removed)
    assert.equal(0, source.look().removed)
    source.states["10.0.0.7:80"] = UP
    assert.equal(1, source.hear(names(5, 8)).removed)
    source.states["10.0.0.8:80"] = UP
    assert.equal(0, source.look().held)
    assert.equal(4, source.count())
  end)

  it("takes no further word for a confirmation, where a source tells only of changes", function()
    local source = open { confirm_ms = 10000 }
    source.hear(names(1, 4))
    source.hear(names(1, 1))
    source.ms = source.ms + 9999
    assert.equal(3, source.look().held)
    source.ms = source.ms + 1
    assert.equal(3, source.look().removed)
    assert.equal(1, source.count())
  end)

  it("never holds more than there is room for", function()
    local function many(second)
      local list = {}
      for i = 1, 4096 do list[i] = ("10.%d.%d.%d:80"):format(second, i / 256, i % 256) end
      return list
    end
    local source = open {}
    source.hear(many(0))
    local result = source.hear(many(1))
    assert.same({ 4096, 4096, 0 }, { result.added, result.removed, result.held })
    assert.equal(4096, source.count())
  end)
end)
