std = "lua51"            -- what Redis embeds
codes = true
max_line_length = 100
max_comment_line_length = 120 -- a reply is declared on one line
max_cyclomatic_complexity = 16 -- `x or 0` counts as a branch
read_globals = {
  "KEYS", "ARGV", "cjson", "cmsgpack", "bit",
  redis = { fields = { "call", "pcall", "error_reply", "status_reply", "log", "LOG_WARNING",
                       "sha1hex" } },
}
not_globals = { "os", "io", "require", "dofile", "loadfile", "print" }
