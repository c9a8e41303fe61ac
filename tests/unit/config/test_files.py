"""Files of the data folder appear whole, once, and for their owner only."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from grok2api.config.files import create_once, make_folder
from grok2api.config.loader import load_boot, prepare
from grok2api.config.secret_key import ensure_keys, parse_keys, read_keys
from grok2api.errors import SettingsError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_prepared_folder_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    boot = prepare(load_boot({"data_dir": tmp_path / "a" / "data"}, {}))

    assert mode(boot.data_dir) == 0o700
    assert mode(boot.data_dir / "config.toml") == 0o600
    assert mode(boot.data_dir / "secret.key") == 0o600
    assert sorted(path.name for path in boot.data_dir.iterdir()) == ["config.toml", "secret.key"]


def test_second_start_keeps_key_and_settings(tmp_path: Path) -> None:
    first = prepare(load_boot({"data_dir": tmp_path}, {}))
    (tmp_path / "config.toml").write_text("[server]\nport = 81\n")

    second = prepare(load_boot({"data_dir": tmp_path}, {}))

    assert second.secret_keys == first.secret_keys
    assert second.port == 81


def test_key_of_the_environment_makes_no_file(tmp_path: Path) -> None:
    boot = prepare(load_boot({"data_dir": tmp_path}, {"GROK2API_SECRET_KEY": NEW.hex()}))

    assert boot.secret_keys == (NEW,)
    assert not (tmp_path / "secret.key").exists()


def test_key_of_the_environment_comes_before_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text(OLD.hex())

    boot = load_boot({"data_dir": tmp_path}, {"GROK2API_SECRET_KEY": NEW.hex()})

    assert boot.secret_keys == (NEW, OLD)


def test_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert create_once(path, b"first")
    assert not create_once(path, b"second")
    assert path.read_bytes() == b"first"


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from grok2api.config.secret_key import ensure_keys\n"
        "sys.stdin.readline(); print(ensure_keys(Path(sys.argv[1]))[0].hex())"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]

    answers = {racer.communicate("go\n", timeout=60)[0].strip() for racer in racers}

    assert answers == {read_keys(tmp_path)[0].hex()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_several_keys_stand_one_a_line_newest_first() -> None:
    text = f"# rotated\n{base64.b64encode(NEW).decode()}\n\n{OLD.hex()}\n"

    assert parse_keys(text, "here") == (NEW, OLD)


def test_url_safe_key_without_padding_is_read() -> None:
    key = bytes([251, 255] * 16)

    assert parse_keys(base64.urlsafe_b64encode(key).decode().rstrip("="), "here") == (key,)


@pytest.mark.parametrize("text", ["", "# none\n"])
def test_key_file_without_key_is_an_error_that_says_how_to_make_one(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "secret.key").write_text(text)

    with pytest.raises(SettingsError, match=r"secret\.key: holds no key; .*openssl rand"):
        ensure_keys(tmp_path)


@pytest.mark.parametrize("text", ["hunter2", "zz" * 32, "é" * 32, "ab" * 31])
def test_bad_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(SettingsError, match="a key is 32 bytes as base64 or hex") as caught:
        parse_keys(text, "here")

    assert text not in str(caught.value)


def test_folder_that_is_a_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")

    with pytest.raises(SettingsError) as caught:
        make_folder(path)

    assert str(caught.value).startswith(f"data folder {path}: ")
    assert "--data-dir" in str(caught.value)


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        create_once(tmp_path / "missing" / "file", b"x")

    assert list(tmp_path.iterdir()) == []
