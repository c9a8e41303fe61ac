"""The file that several processes log to."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from grok2api.config.boot import BootSettings
from grok2api.config.logs import LoggingSettings
from grok2api.errors import SettingsError
from grok2api.telemetry import log_file
from grok2api.telemetry.log_file import LogFile
from grok2api.telemetry.logging import configure_process_logging
from tests.conftest import wait_until

WRITER = """
import sys
from pathlib import Path
from grok2api.telemetry.log_file import LogFile
file = LogFile(Path(sys.argv[1]), max_bytes=int(sys.argv[3]), backups=1000)
for number in range(2000):
    file.write('{"who":"%s","number":%d,"text":"%s"}' % (sys.argv[2], number, "x" * 150))
"""
CALLER = """
import os, sys
from pathlib import Path
import structlog
from grok2api.config.boot import BootSettings
from grok2api.config.logs import LoggingSettings
from grok2api.telemetry.logging import configure_process_logging
boot = BootSettings(data_dir=Path(sys.argv[1]), log_file="logs/g.log", log_format=sys.argv[2])
configure_process_logging(boot, LoggingSettings())
log = structlog.get_logger("t")
log.info("from_parent", app_key="hunter2hunter2", text="Bearer abcdefghijkl")
child = os.fork()
log.info("from_child" if child == 0 else "from_parent_later")
if child:
    os.waitpid(child, 0)
"""


def read_lines(folder: Path) -> list[str]:
    paths = [path for path in folder.iterdir() if path.suffix != ".lock"]
    return [line for path in paths for line in path.read_text().splitlines()]


@pytest.mark.parametrize("max_bytes", [10**9, 100_000])
def test_lines_of_several_processes_neither_mix_nor_get_lost(
    tmp_path: Path, max_bytes: int
) -> None:
    path = tmp_path / "g.log"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(who), str(max_bytes)]) for who in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4

    rows = [msgspec.json.decode(line) for line in read_lines(tmp_path)]
    found = sorted((row["who"], row["number"]) for row in rows)

    assert found == sorted((str(who), number) for who in range(4) for number in range(2000))
    assert (len(list(tmp_path.glob("g.log*"))) > 5) == (max_bytes == 100_000)


def test_only_so_many_old_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "g.log"
    for number in range(9):
        file = LogFile(path, max_bytes=100, backups=2)
        file.write(f"{number} " + "x" * 80)
        file.close()

    assert path.read_text().startswith("8 ")
    assert (tmp_path / "g.log.1").read_text().startswith("7 ")
    assert (tmp_path / "g.log.2").read_text().startswith("6 ")
    assert not (tmp_path / "g.log.3").exists()


def test_a_file_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "g.log"
    file = LogFile(path, max_bytes=1000, backups=1)
    file.write("before")
    wait_until(path.exists)
    path.rename(tmp_path / "taken.by.logrotate")
    file.write("later")
    file.close()

    assert path.read_text() == "later\n"


def test_lines_that_find_no_room_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "CAPACITY", 3)
    path = tmp_path / "g.log"
    os.mkfifo(path)  # nobody reads: the thread stands still
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)  # a pipe that nobody has open for writing is at its end
    file = LogFile(path, max_bytes=10**9, backups=1)
    for number in range(3000):
        file.write(f"{number} " + "x" * 1000)

    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as pipe, ThreadPoolExecutor(1) as thread:
        reading = thread.submit(pipe.read)
        file.close()
        os.close(file._fd)
        os.close(writer)
        rows = reading.result().splitlines()

    notes = [msgspec.json.decode(row) for row in rows if b"log_lines_dropped" in row]
    dropped = sum(note["count"] for note in notes)
    assert dropped > 0
    assert len(rows) - len(notes) + dropped == 3000


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_file_has_json_of_parent_and_child_without_secrets(
    tmp_path: Path, log_format: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLER, str(tmp_path), log_format],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    lines = read_lines(tmp_path / "logs")
    rows = [msgspec.json.decode(line) for line in lines]
    assert sorted(row["msg"] for row in rows) == ["from_child", "from_parent", "from_parent_later"]
    assert all(row["ts"].endswith("Z") and row["level"] == "info" for row in rows)
    assert "hunter2hunter2" not in "".join(lines) + done.stdout
    assert "abcdefghijkl" not in "".join(lines) + done.stdout
    assert (tmp_path / "logs" / "g.log").stat().st_mode & 0o777 == 0o600


FULL = """
import resource, signal, sys, time
from pathlib import Path
from grok2api.telemetry.log_file import LogFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def write(word, dropped):
    size = path.stat().st_size if path.exists() else 0
    file.write('{"text":"%s"}' % (word * 90))
    while path.stat().st_size == size if dropped is None else file._dropped != dropped:
        time.sleep(0.01)
path = Path(sys.argv[1])
path.touch()
file = LogFile(path, max_bytes=10**6, backups=1)
room(150)
for word, dropped in (("a", None), ("b", 1), ("c", 2)):
    write(word, dropped)
room(10**6)
write("d", 0)
"""


def test_a_full_disk_loses_lines_and_spoils_none(tmp_path: Path) -> None:
    path = tmp_path / "g.log"
    subprocess.run([sys.executable, "-c", FULL, str(path)], check=True, timeout=60)

    first, torn, *rest = path.read_text().splitlines()

    assert (msgspec.json.decode(first)["text"][0], torn[:11]) == ("a", '{"text":"bb')
    later, note = map(msgspec.json.decode, rest)
    assert later["text"][0] == "d"
    assert (note["msg"], note["count"]) == ("log_lines_dropped", 2)


def test_a_file_that_cannot_be_opened_yet_gets_what_comes_later(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.touch()  # a file is in the way
    file = LogFile(folder / "g.log", max_bytes=1000, backups=1)
    file.write("lost")
    wait_until(lambda: file._dropped == 1)
    folder.unlink()
    file.write("later")
    file.close()

    later, note = (folder / "g.log").read_text().splitlines()
    assert later == "later"
    assert msgspec.json.decode(note)["count"] == 1


def test_where_fewer_old_files_are_kept_than_before_the_others_go(tmp_path: Path) -> None:
    path = tmp_path / "g.log"
    for number in range(1, 9):
        (tmp_path / f"g.log.{number}").touch()
    file = LogFile(path, max_bytes=100, backups=8)
    file.backups = 2
    file.write("x" * 80)
    wait_until(path.exists)
    file.write("y" * 80)
    file.close()

    assert sorted(p.name for p in tmp_path.glob("g.log*")) == [
        "g.log",
        "g.log.1",
        "g.log.2",
        "g.log.lock",
    ]


def test_a_file_that_cannot_be_written_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    boot = BootSettings(data_dir=tmp_path, log_file="a-file/g.log")

    with pytest.raises(SettingsError, match=r"logging\.file"):
        configure_process_logging(boot, LoggingSettings(), needs_file=True)
