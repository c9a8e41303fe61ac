"""What the help of commands shows below their flags: notes and examples."""

MAIN_EXAMPLES = """\
examples:
  grok2api demo                              try it without an account
  grok2api accounts import sessions.txt      bring your own accounts in
  grok2api serve --workers 4                 run the gateway
  grok2api keys create laptop                make one more client key
  grok2api doctor                            find out what is wrong and how to mend it

Settings come from DATA_DIR/config.toml, GROK_* variables and flags; the later ones win.
"""
SERVE_EXAMPLES = """\
Without a Redis URL a private store is started in the data folder. The first start prints one client
key and the administrator's password, once.

examples:
  grok2api serve
  grok2api serve --host 0.0.0.0 --port 80 --workers 8 --data-dir /var/lib/grok2api
  GROK2API_REDIS_URL=rediss://user:password@store.example:6380/0 grok2api serve

Ctrl-C lets running answers end; a second Ctrl-C hurries.
"""
MAINTENANCE_EXAMPLES = """\
`serve` runs one already. Any number may run, on any host: one leads and works, the others wait to
take over within seconds. Ctrl-C ends it, and another one leads soon after.

examples:
  GROK2API_REDIS_URL=rediss://user:password@store.example:6380/0 grok2api maintenance
"""
IMPORT_EXAMPLES = """\
Reads session tokens (one a line, bare, as `sso=…` or as a whole cookie string), JSON that gateways
export (lists by pool or tier, records, what `accounts export --with-secrets` wrote), and the
accounts.db (SQLite) or the Redis of an older version. Tier, tags, creation date and the states
disabled, expired and cooling come along; quotas, counters and notes do not. Accounts that are known
stay as they are, so importing twice does no harm; nothing is ever removed.

examples:
  grok2api accounts import sessions.txt
  grok2api accounts import --tier super heavy-users.txt
  grok2api accounts import --dry-run old/data/accounts.db
  grok2api accounts import --from-redis redis://old-host:6379/0
  pass show old/redis-url | grok2api accounts import --from-redis -
"""
EXPORT_EXAMPLES = """\
Writes one JSON object, an account a line. Without --with-secrets it shows no session, and cannot be
imported. A file is readable by its owner only, and appears whole or not at all.

examples:
  grok2api accounts export
  grok2api accounts export --with-secrets --output accounts.json
  grok2api accounts export --with-secrets --output - | age -r age1… > accounts.json.age
"""
LOGINS_EXAMPLES = """\
Too many wrong passwords lock an address, and a flood of them from everywhere makes new addresses
wait. This ends both for one address (of IPv6: its /64), at all workers at once. It asks for no
password: whoever can run it has the store. The refusal (429) names the address.

examples:
  grok2api logins allow 203.0.113.7
"""
SHOW_EXAMPLES = """\
Secrets are masked. The second column says where a value comes from: default, file, variable, flag.
What `config set` and the pages have changed is shown with --origin.
"""
DOCTOR_EXAMPLES = """\
Changes nothing. Ends with 1 when something is broken (✗), with 0 otherwise; "!" is worth a look.
"""
