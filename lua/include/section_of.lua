--- Return the least score of a section of a ready set: a mode, and a tag or 0 for all accounts.
-- Below it, 2^41 sets those apart that have fewer than 4 units left, 2^36 counts the levels, and
-- the rest is the sequence of the last use. All of it is exact in a double.
local function section_of(store, mode, tag)
  return (tag * 16 + store.modes[mode] - 2048) * 4398046511104
end
