"""`grok2api`: one thin function a command; its docstring is its help. Errors are one line."""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib.metadata import version as version_of
from pathlib import Path

import msgspec

from grok2api import launch
from grok2api.account_commands import (
    accounts_delete,
    accounts_disable,
    accounts_limit,
    accounts_list,
    accounts_move,
    accounts_refresh,
    accounts_restore,
    accounts_tag,
    accounts_untag,
)
from grok2api.administration import administer, flags_of
from grok2api.arguments import read_arguments
from grok2api.batches import (
    batches_cancel,
    batches_list,
    batches_result,
    batches_show,
    batches_start,
)
from grok2api.config.defaults import render_defaults
from grok2api.config.fields import mask
from grok2api.config.loader import (
    child_environment,
    demo_environment,
    load_boot,
    load_settings,
    load_shown,
    prepare,
)
from grok2api.config.schema import BootSettings, Settings
from grok2api.config_commands import (
    config_history,
    config_rollback,
    config_set,
    config_unset,
    show_origins,
)
from grok2api.console import (
    remark,
    say,
    say_json,
    say_table,
    silence_output,
)
from grok2api.doctor import STORE_REMEDY, Grade, examine
from grok2api.domain.ids import AccountId
from grok2api.errors import GatewayError, SettingsError, StoreUnavailableError
from grok2api.inspection import accounts_explain, sessions_clear, sessions_list
from grok2api.key_commands import keys_create, keys_edit, keys_list, keys_revoke
from grok2api.login_commands import logins_allow
from grok2api.processes import end_with_parent
from grok2api.services.settings_check import check_settings
from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.server import run_simulator
from grok2api.store.header import expand_all
from grok2api.transfer import accounts_export, accounts_import
from grok2api.usage_commands import explain, log, stats

_DONE, _BROKEN, _MISUSED, _INTERRUPTED = 0, 1, 2, 130
_DEMO_FOLDER = Path("data", "demo")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    parsed = read_arguments(COMMANDS, arguments)
    run: Callable[[Namespace], int] = parsed.run
    try:
        code = run(parsed)
    except StoreUnavailableError as error:
        more = f"{STORE_REMEDY}; `grok2api doctor` tells more"
        remark(f"grok2api: the store cannot be used ({error.detail}); {more}")
        code = _BROKEN
    except GatewayError as error:
        detail = f" ({error.detail})" if error.detail else ""
        remark(f"grok2api: {error.message}{detail}")
        code = _MISUSED if isinstance(error, SettingsError) else _BROKEN
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        silence_output()
        code = _BROKEN
    sys.exit(code)


def serve(arguments: Namespace) -> int:
    """Run the whole service on this host."""
    boot = prepare(load_boot(flags_of(arguments)))
    _remark_settings(boot)
    return launch.serve(boot, child_environment, say)


def demo(arguments: Namespace) -> int:
    """Try the gateway: pretend accounts, a simulated upstream, a key that works."""
    environment = demo_environment()
    boot = prepare(load_boot({"data_dir": _DEMO_FOLDER, **flags_of(arguments)}, environment))
    return launch.demo(
        boot,
        lambda boot: child_environment(boot, environment),
        say,
        may_move=arguments.port is None,
    )


def simulate(arguments: Namespace) -> int:
    """Play the upstream, for tests and demos."""
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    options = SimulatorOptions(
        accept_any=arguments.accept_any,
        tier=arguments.tier.value,
        seed=arguments.seed,
        delay_ms=arguments.delay_ms,
        enforce_quota=arguments.enforce_quota,
    )
    host = arguments.host
    run_simulator(
        host,
        arguments.port,
        options,
        announce=lambda port: say(f"The simulated upstream listens: http://{host}:{port}"),
    )
    return _DONE


def maintenance(arguments: Namespace) -> int:
    """Run one more maintenance process; one of them leads."""
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    launch.maintain(prepare(load_boot(flags_of(arguments))))
    return _DONE


def accounts_remove(arguments: Namespace) -> int:
    """Remove accounts and everything kept of them."""
    ids = [AccountId(given) for given in dict.fromkeys(arguments.ids)]
    removed = administer(arguments, lambda admin: admin.operator.accounts.remove(ids))
    say(f"{removed} removed, {len(ids) - removed} not found")
    return _DONE if removed == len(ids) else _BROKEN


def config_show(arguments: Namespace) -> int:
    """Show every setting and where it comes from."""
    if arguments.origin:
        return show_origins(arguments)
    rows = [
        (item.spec.key or item.spec.attribute, mask(item.spec, item.value), item.source)
        for item in load_shown(flags_of(arguments))
    ]
    if arguments.json:
        say_json([dict(zip(("key", "value", "source"), row, strict=True)) for row in rows])
        return _DONE
    texts = [(key, source, msgspec.json.encode(value).decode()) for key, value, source in rows]
    say_table(("setting", "from", "value"), texts)
    return _DONE


def config_check(arguments: Namespace) -> int:
    """Check the settings; unknown ones are named but do no harm."""
    boot = load_boot(flags_of(arguments))
    check_settings(_remark_settings(boot))
    say(f"The settings for {boot.data_dir} are fine.")
    return _DONE


def config_defaults(_arguments: Namespace) -> int:
    """Print config.defaults.toml: every setting, its meaning and its default."""
    say(render_defaults().rstrip("\n"))
    return _DONE


def doctor(arguments: Namespace) -> int:
    """Find out what is wrong and how to mend it."""
    try:
        boot = load_boot(flags_of(arguments))
        loaded = load_settings(boot.data_dir)
        check_settings(loaded.settings)
    except SettingsError as error:
        say(f"{Grade.BROKEN} settings: {error.message}")
        return _BROKEN
    code = _DONE
    for finding in examine(boot, loaded.settings, loaded.unknown):
        say(f"{finding.grade} {finding.about}: {finding.text}")
        code = _BROKEN if finding.grade is Grade.BROKEN else code
    return code


def scripts_expand(arguments: Namespace) -> int:
    """Write the Lua scripts with their includes, for luacheck and a debugger."""
    written = expand_all(Path(arguments.folder))
    say(f"{len(written)} scripts written to {arguments.folder}")
    return _DONE


def version(_arguments: Namespace) -> int:
    """Print the version."""
    say(f"grok2api {version_of('grok2api')}")
    return _DONE


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "serve": serve,
    "demo": demo,
    "simulate": simulate,
    "maintenance": maintenance,
    "accounts import": accounts_import,
    "accounts export": accounts_export,
    "accounts list": accounts_list,
    "accounts refresh": accounts_refresh,
    "accounts disable": accounts_disable,
    "accounts restore": accounts_restore,
    "accounts tag": accounts_tag,
    "accounts untag": accounts_untag,
    "accounts move": accounts_move,
    "accounts limit": accounts_limit,
    "accounts delete": accounts_delete,
    "accounts remove": accounts_remove,
    "accounts explain": accounts_explain,
    "sessions list": sessions_list,
    "sessions clear": sessions_clear,
    "batches start": batches_start,
    "batches list": batches_list,
    "batches show": batches_show,
    "batches result": batches_result,
    "batches cancel": batches_cancel,
    "keys create": keys_create,
    "keys edit": keys_edit,
    "keys list": keys_list,
    "keys revoke": keys_revoke,
    "logins allow": logins_allow,
    "stats": stats,
    "log": log,
    "explain": explain,
    "config show": config_show,
    "config set": config_set,
    "config unset": config_unset,
    "config history": config_history,
    "config rollback": config_rollback,
    "config check": config_check,
    "config defaults": config_defaults,
    "doctor": doctor,
    "scripts expand": scripts_expand,
    "version": version,
}


def _remark_settings(boot: BootSettings) -> Settings:
    loaded = load_settings(boot.data_dir)
    for name in loaded.unknown:
        remark(f"not known to this version, ignored: {name}")
    if loaded.settings.security.allow_anonymous_api:
        remark("security.allow_anonymous_api is on: whoever reaches the port may use your accounts")
    return loaded.settings
