"""Settings come from defaults, file, environment and flags, in this order of weight."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grok2api.config.loader import child_environment, load_boot, load_settings, load_shown, prepare
from grok2api.config.schema import BootSettings, Settings
from grok2api.errors import SettingsError

KEY = "ab" * 32


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_file_and_variables_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}).settings == Settings()


def test_file_wins_over_default(tmp_path: Path) -> None:
    write(tmp_path, "[retry]\nmax_attempts = 5\n")

    loaded = load_settings(tmp_path, {})

    assert loaded.settings.retry.max_attempts == 5
    assert loaded.sources["retry.max_attempts"] == str(tmp_path / "config.toml")
    assert loaded.sources["retry.budget_s"] == "default"


@pytest.mark.parametrize(
    "name", ["GROK_RETRY_MAX_ATTEMPTS", "GROK_RETRY__MAX_ATTEMPTS", "GROK_RETRY_MAX_RETRY"]
)
def test_environment_wins_over_file(tmp_path: Path, name: str) -> None:
    write(tmp_path, "[retry]\nmax_attempts = 5\n")

    loaded = load_settings(tmp_path, {name: "7"})

    assert loaded.settings.retry.max_attempts == 7
    assert loaded.sources["retry.max_attempts"] == name


@pytest.mark.parametrize(
    "name", ["GROK_ACCOUNT__SELECTION__MAX_INFLIGHT", "GROK_ACCOUNT_SELECTION_MAX_INFLIGHT"]
)
def test_three_level_variable_reaches_its_setting(tmp_path: Path, name: str) -> None:
    assert load_settings(tmp_path, {name: "3"}).settings.account.max_concurrency == 3


def test_tables_within_a_table_are_read_beside_its_own_settings(tmp_path: Path) -> None:
    write(
        tmp_path,
        "[account]\nmax_concurrency = 3\n[account.selection]\nwait_s = 0\n"
        "[account.refresh]\nenabled = false\n",
    )

    loaded = load_settings(tmp_path, {"GROK_ACCOUNT_SELECTION_STRATEGY": "LRU"})
    shown = {s.spec.key: s.value for s in load_shown({"data_dir": tmp_path}, {})}

    account = loaded.settings.account
    assert (account.max_concurrency, account.selection.wait_s) == (3, 0)
    assert (account.selection.strategy, account.refresh.enabled) == ("lru", False)
    assert loaded.unknown == []
    assert shown["account.selection.wait_s"] == 0


def test_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    write(tmp_path, '[app]\napp_url = "https://gw.example"\n')

    loaded = load_settings(tmp_path, {"GROK_APP_APP_URL": ""})

    assert loaded.settings.app.app_url == "https://gw.example"


def test_flag_wins_over_environment_and_file(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 1001\n")

    assert load_boot({"data_dir": tmp_path}, {}).port == 1001
    assert load_boot({"data_dir": tmp_path}, {"SERVER_PORT": "1002"}).port == 1002
    assert load_boot({"data_dir": tmp_path, "port": 1003}, {"SERVER_PORT": "1002"}).port == 1003
    assert load_boot({"data_dir": tmp_path, "port": None}, {"SERVER_PORT": "1002"}).port == 1002


@pytest.mark.parametrize(
    ("variables", "attribute", "value"),
    [
        ({"SERVER_HOST": "0.0.0.0"}, "host", "0.0.0.0"),  # noqa: S104
        ({"HOST": "::1"}, "host", "::1"),
        ({"SERVER_HOST": "a", "HOST": "b"}, "host", "a"),
        ({"PORT": "9000"}, "port", 9000),
        ({"SERVER_WORKERS": "4", "WEB_CONCURRENCY": "2"}, "workers", 4),
        ({"WEB_CONCURRENCY": "2"}, "workers", 2),
        ({"LOG_FORMAT": "JSON"}, "log_format", "json"),
        ({"LOG_FILE": "/var/log/g.log"}, "log_file", "/var/log/g.log"),
        ({"LOG_DIR": "/logs"}, "log_file", "/logs/grok2api.log"),
        ({"LOG_FILE_ENABLED": "true"}, "log_file", "logs/grok2api.log"),
        ({"LOG_FILE_ENABLED": "true", "LOG_DIR": "/logs"}, "log_file", "/logs/grok2api.log"),
        ({"LOG_FILE_ENABLED": "false", "LOG_DIR": "/logs"}, "log_file", ""),
        ({"LOG_FILE": "/x.log", "LOG_DIR": "/logs"}, "log_file", "/x.log"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"},
            "tracing_endpoint",
            "http://otel:4318",
        ),
        ({"ACCOUNT_REDIS_URL": "redis://a/0"}, "redis_url", "redis://a/0"),
        ({"SERVER_STORAGE_URL": "rediss://a/0"}, "redis_url", "rediss://a/0"),
        ({"SERVER_STORAGE_URL": "mysql://a/0"}, "redis_url", ""),
        (
            {"REDIS_URL": "redis://b", "GROK2API_REDIS_URL": "redis://a"},
            "redis_url",
            "redis://a",
        ),
        ({"GROK2API_SECRET_KEY": KEY}, "secret_keys", (bytes.fromhex(KEY),)),
        ({"FORWARDED_ALLOW_IPS": "10.0.0.0/8, ::1"}, "forwarded_allow_ips", ("10.0.0.0/8", "::1")),
    ],
)
def test_variables_of_the_process_are_read(
    tmp_path: Path, variables: dict[str, str], attribute: str, value: object
) -> None:
    boot = load_boot({"data_dir": tmp_path}, variables)

    assert getattr(boot, attribute) == value


def test_relative_data_folder_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_boot({}, {"DATA_DIR": "here"}).data_dir == tmp_path / "here"


@pytest.mark.parametrize("name", ["GROK_APP_API_KEY", "GROK2API_REDIS_URL", "GROK2API_SECRET_KEY"])
def test_secret_is_read_from_the_file_its_variable_names(tmp_path: Path, name: str) -> None:
    text = {"GROK_APP_API_KEY": "sk-one", "GROK2API_REDIS_URL": "redis://x"}.get(name, KEY)
    secret = tmp_path / "secret"
    secret.write_text(text + "\n")
    variables = {f"{name}_FILE": str(secret)}

    boot = load_boot({"data_dir": tmp_path}, variables)
    app = load_settings(tmp_path, variables).settings.app

    found = {"GROK_APP_API_KEY": app.api_key, "GROK2API_REDIS_URL": boot.redis_url}
    expected = {"GROK_APP_API_KEY": ("sk-one",), "GROK2API_REDIS_URL": "redis://x"}
    assert found.get(name, boot.secret_keys) == expected.get(name, (bytes.fromhex(KEY),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('api_key = "sk-a"', ("sk-a",)),
        ('api_key = "sk-a, sk-b"', ("sk-a", "sk-b")),
        ('api_key = ["sk-a", "sk-b"]', ("sk-a", "sk-b")),
        ('api_key = ""', ()),
    ],
)
def test_client_keys_may_be_a_text_or_a_list(
    tmp_path: Path, text: str, expected: tuple[str, ...]
) -> None:
    write(tmp_path, f"[app]\n{text}\n")

    assert load_settings(tmp_path, {}).settings.app.api_key == expected


@pytest.mark.parametrize(
    ("toml", "variables"),
    [
        ('[models.aliases]\n"claude-*" = "grok-4"\ngpt-x = "grok-3"\n', {}),
        ('[models]\naliases = {"claude-*" = "grok-4", gpt-x = "grok-3"}\n', {}),
        ("", {"GROK_MODELS_ALIASES": "claude-*=grok-4, gpt-x = grok-3,"}),
    ],
)
def test_aliases_may_be_a_table_or_a_text(
    tmp_path: Path, toml: str, variables: dict[str, str]
) -> None:
    (tmp_path / "config.toml").write_text(toml)

    loaded = load_settings(tmp_path, variables)

    assert loaded.settings.models.aliases == {"claude-*": "grok-4", "gpt-x": "grok-3"}
    assert loaded.unknown == []


@pytest.mark.parametrize(
    ("toml", "variables", "message"),
    [
        (
            "[retry]\nmax_attempts = 50\n",
            {},
            "{file}: retry.max_attempts: 50 is not a whole number from 1 to 20",
        ),
        (
            "[chat]\nidle_timeout_s = nan\n",
            {},
            "{file}: chat.idle_timeout_s: nan is not a number above 0 and up to 3600",
        ),
        (
            '[upstream]\nchat_transport = "carrier pigeon"\n',
            {},
            "{file}: upstream.chat_transport: 'carrier pigeon' is not one of auto, http, websocket",
        ),
        (
            '[proxy]\nurl = "ftp://user:hunter2@x"\n',
            {},
            "{file}: proxy.url: this value is not a proxy URL such as socks5h://host:1080",
        ),
        (
            "",
            {"GROK_MODELS_ALIASES": "claude-x grok-4"},
            (
                "GROK_MODELS_ALIASES: models.aliases: 'claude-x grok-4' is not "
                'texts by name, as {a = "b"} or "a=b,c=d"'
            ),
        ),
        (
            "[models.aliases]\nclaude-x = 7\n",
            {},
            (
                "{file}: models.aliases: {'claude-x': 7} is not "
                'texts by name, as {a = "b"} or "a=b,c=d"'
            ),
        ),
        (
            "",
            {"GROK_FEATURES_STREAM": "maybe"},
            "GROK_FEATURES_STREAM: features.stream: 'maybe' is not true or false",
        ),
        (
            "",
            {"GROK_APP_APP_KEY": "grok2api"},
            (
                "GROK_APP_APP_KEY: app.app_key is a placeholder everybody knows; choose your own, "
                "or take it out: the first start makes one and prints it"
            ),
        ),
        (
            '[app]\napi_key = ["fine", "CHANGE_ME_NOW"]\n',
            {},
            (
                "{file}: app.api_key is a placeholder everybody knows; choose your own, "
                "or make a client key with `grok2api keys create NAME`"
            ),
        ),
        (
            '[app]\napp_password = "CHANGE_ME_NOW"\n',
            {},
            (
                "{file}: app.app_password: app.app_key is a placeholder everybody knows; "
                "choose your own, or take it out: the first start makes one and prints it"
            ),
        ),
        (
            '[upstream]\nstatsig_mode = "manual"\n',
            {},
            '{file}: upstream.statsig_mode is "manual", so upstream.statsig_value must be set',
        ),
        (
            "[retry]\nmax_attempts = = 3\n",
            {},
            "{file}: not valid TOML: Invalid value (at line 2, column 16)",
        ),
        (
            "",
            {"GROK_APP_API_KEY": "sk-a", "GROK_APP_API_KEY_FILE": "/x"},
            "GROK_APP_API_KEY and GROK_APP_API_KEY_FILE are both set; keep one",
        ),
        (
            "",
            {"GROK_APP_API_KEY_FILE": "/nowhere/secret"},
            "GROK_APP_API_KEY_FILE: /nowhere/secret is missing",
        ),
    ],
)
def test_error_is_one_line_that_says_where_and_what_is_allowed(
    tmp_path: Path, toml: str, variables: dict[str, str], message: str
) -> None:
    path = write(tmp_path, toml)

    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, variables)

    assert str(caught.value) == message.replace("{file}", str(path))


@pytest.mark.parametrize(
    ("overrides", "variables", "message"),
    [
        ({}, {"PORT": "http"}, "PORT: server.port: 'http' is not a whole number from 1 to 65535"),
        ({"port": 0}, {}, "--port: server.port: 0 is not a whole number from 1 to 65535"),
        (
            {},
            {"FORWARDED_ALLOW_IPS": "10.0.0.1, proxy.internal"},
            (
                "FORWARDED_ALLOW_IPS: server.forwarded_allow_ips: 'proxy.internal' is not an "
                'address, a network such as 10.0.0.0/8, or "*"'
            ),
        ),
        (
            {},
            {"REDIS_URL": "postgres://u:secret@h"},
            (
                "REDIS_URL: store.redis_url: this value is not a redis://, rediss://, unix://, "
                "redis+sentinel:// or redis+cluster:// URL"
            ),
        ),
        (
            {},
            {"GROK2API_SECRET_KEY": "short"},
            (
                "GROK2API_SECRET_KEY: a key is 32 bytes as base64 or hex; "
                "make one with `openssl rand -base64 32`"
            ),
        ),
    ],
)
def test_boot_error_is_one_line(
    tmp_path: Path, overrides: dict[str, object], variables: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_boot({"data_dir": tmp_path, **overrides}, variables)

    assert str(caught.value) == message


def test_unreadable_text_is_named_with_its_byte(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"[app]\n\xff")

    with pytest.raises(SettingsError, match="byte 6 is not UTF-8 text"):
        load_settings(tmp_path, {})


def test_unknown_settings_are_reported_and_do_not_stop_the_start(tmp_path: Path) -> None:
    path = write(tmp_path, "[retry]\non_codes = '429'\n[wheels]\nspare = 1\n")
    variables = {"GROK_WHEELS_SPARE": "2", "ACCOUNT_MYSQL_URL": "mysql://x", "TZ": "UTC"}

    loaded = load_settings(tmp_path, variables)

    assert loaded.settings == Settings()
    assert loaded.unknown == [
        f"{path}: retry.on_codes",
        f"{path}: wheels.spare",
        "ACCOUNT_MYSQL_URL",
        "GROK_WHEELS_SPARE",
    ]


def test_settings_of_the_process_are_not_unknown_to_the_others(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 81\n[logging]\nlevel = 'debug'\n")

    assert load_settings(tmp_path, {"GROK_SERVER_PORT": "82"}).unknown == []


@pytest.mark.parametrize(
    ("toml", "read"),
    [
        ("[batch]\nrefresh_concurrency = 9", lambda s: s.batch.concurrency == 9),
        ("[account.selection]\nmax_inflight = 4", lambda s: s.account.max_concurrency == 4),
        (
            "[account.refresh]\nbasic_interval_sec = 7000",
            lambda s: s.account.refresh.basic_interval_s == 7000,
        ),
        (
            "[account.refresh]\nbasic_interval_sec = 36000",
            lambda s: s.account.refresh.basic_interval_s == 86_400,
        ),
        (
            "[account.refresh]\nsuper_interval_sec = 700\nheavy_interval_sec = 800",
            lambda s: (
                s.account.refresh.super_interval_s == 700
                and s.account.refresh.heavy_interval_s == 800
            ),
        ),
        (
            "[account.refresh]\nusage_concurrency = 50",
            lambda s: s.account.refresh.concurrency == 50,
        ),
        (
            "[account.refresh]\non_demand_min_interval_sec = 60",
            lambda s: s.account.refresh.on_demand_min_interval_s == 60,
        ),
        (
            '[token]\nselection_strategy = "weighted_random"',
            lambda s: s.account.selection.strategy == "weighted",
        ),
        (
            '[account.selection]\nstrategy = "quota"',
            lambda s: s.account.selection.strategy == "max_quota",
        ),
        ("[retry]\nmax_retries = 1", lambda s: s.retry.max_attempts == 2),
        ("[chat]\ndisable_memory = false", lambda s: s.features.memory is True),
        ('[proxy.clearance]\ncf_clearance = "x"', lambda s: s.proxy.cf_cookies == "cf_clearance=x"),
        ('[proxy.egress]\nproxy_url = "http://p"', lambda s: s.proxy.url == ""),
        (
            '[proxy.egress]\nmode = "single_proxy"\nproxy_url = "http://p"',
            lambda s: s.proxy.url == "http://p",
        ),
        ("[chat]\ntimeout = 30\nidle_timeout_s = 40", lambda s: s.chat.idle_timeout_s == 40),
        (
            "[stats]\nhourly_retention = 24\ndaily_retention = 7\nflush_interval_sec = 2",
            lambda s: (
                s.stats.hourly_retention_h == 24
                and s.stats.daily_retention_d == 7
                and s.stats.flush_interval_s == 2
            ),
        ),
        (
            "[stats]\nhourly_keep = 25\ndaily_keep = 8\n[logs]\nmax_len = 2000",
            lambda s: (
                s.stats.hourly_retention_h == 25
                and s.stats.daily_retention_d == 8
                and s.stats.log_max_entries == 2000
            ),
        ),
        ('[security]\nuser_agent = ""', lambda s: s.upstream.user_agent.startswith("Mozilla")),
    ],
)
def test_old_name_means_its_setting_of_today(
    tmp_path: Path, toml: str, read: Callable[[Settings], bool]
) -> None:
    write(tmp_path, toml)

    assert read(load_settings(tmp_path, {}).settings)


def test_old_value_that_makes_no_sense_today_is_reported_only(tmp_path: Path) -> None:
    path = write(tmp_path, "[timeout]\nstream_idle_timeout = 0\n")

    loaded = load_settings(tmp_path, {})

    assert loaded.settings == Settings()
    assert loaded.unknown == [
        (
            f"{path}: timeout.stream_idle_timeout: chat.idle_timeout_s: 0 is not a number above 0 "
            "and up to 3600; chat.idle_timeout_s stays as it is"
        )
    ]


def test_child_loads_what_its_parent_was_told(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("redis://elsewhere")
    variables = {"GROK2API_REDIS_URL_FILE": str(secret), "PATH": "/bin"}
    flags = {"data_dir": tmp_path, "port": 9, "workers": 3, "redis_url": "unix:///x.sock"}
    boot = prepare(load_boot(flags, variables))

    child = child_environment(boot, variables)

    assert load_boot({}, child) == boot
    assert child["PATH"] == "/bin"


def test_loading_writes_nothing(tmp_path: Path) -> None:
    load_boot({"data_dir": tmp_path / "new"}, {})
    load_settings(tmp_path / "new", {})

    assert not (tmp_path / "new").exists()


def test_every_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    write(tmp_path, "[retry]\nmax_attempts = 4\n")

    shown = load_shown({"data_dir": tmp_path}, {"LOG_LEVEL": "debug"})

    by_name = {item.spec.key or item.spec.attribute: item for item in shown}
    assert by_name["retry.max_attempts"].value == 4
    assert by_name["retry.max_attempts"].source == str(tmp_path / "config.toml")
    assert by_name["logging.level"].source == "LOG_LEVEL"
    assert by_name["data_dir"].source == "--data-dir"
    assert by_name["chat.idle_timeout_s"].source == "default"


def test_settings_never_show_secrets_when_printed() -> None:
    boot = BootSettings(redis_url="redis://:hunter2@h", secret_keys=(b"k" * 32,))
    settings = load_settings(
        Path("nowhere"),
        {
            "GROK_APP_APP_KEY": "hunter2",
            "GROK_APP_API_KEY": "hunter2",
            "GROK_PROXY_URL": "http://u:hunter2@p",
            "GROK_PROXY_CF_COOKIES": "a=hunter2",
            "GROK_UPSTREAM_STATSIG_VALUE": "hunter2",
        },
    ).settings

    assert "hunter2" not in repr(boot) + repr(settings)
    assert "kkk" not in repr(boot)
