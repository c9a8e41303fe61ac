"""Redis: every shared decision is one Lua script, called through a typed wrapper."""
