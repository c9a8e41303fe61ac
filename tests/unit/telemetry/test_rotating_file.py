"""Several processes write one file of lines; none is torn, lost or doubled."""

import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from grok2api.telemetry.rotating_file import RotatingFile

NOON_S = 1_800_014_400.0
DAY_S = 86_400


def build(path: Path, *, max_bytes: int = 1000, backups: int = 2) -> RotatingFile:
    return RotatingFile(path, max_bytes=max_bytes, period_s=DAY_S, backups=backups)


def write_at(path: Path, lines: bytes, at_s: float, **rules: int) -> None:
    build(path, **rules).append(lines, at_s)
    os.utime(path, (at_s, at_s))


def texts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix != ".lock"}


def test_file_that_would_be_too_large_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "r.jsonl"
    for line in (b"a" * 5, b"b" * 5, b"c", b"d" * 20, b"e" * 10):
        write_at(path, line, NOON_S, max_bytes=10)

    assert texts(path.parent) == {
        "r.jsonl": b"e" * 10,
        "r.jsonl.1": b"d" * 20,
        "r.jsonl.2": b"c",
    }


def test_first_line_of_a_day_begins_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_at(path, b"monday\n", NOON_S)
    write_at(path, b"evening\n", NOON_S + DAY_S / 4)
    write_at(path, b"tuesday\n", NOON_S + DAY_S)

    assert texts(tmp_path) == {"r.jsonl": b"tuesday\n", "r.jsonl.1": b"monday\nevening\n"}


def test_without_backups_the_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_at(path, b"a" * 900, NOON_S, backups=0)
    write_at(path, b"b" * 900, NOON_S, backups=0)

    assert texts(tmp_path) == {"r.jsonl": b"b" * 900}


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    build(tmp_path / "r.jsonl").append(b"x\n", NOON_S)

    assert (tmp_path / "r.jsonl").stat().st_mode & 0o777 == 0o600


def _write_many(path: Path, name: int) -> None:
    # The files have the times of this machine: one period for all.
    file = RotatingFile(path, max_bytes=2000, period_s=10**12, backups=100)
    for number in range(100):
        file.append(f"{name}-{number}\n".encode(), NOON_S)


@pytest.mark.timeout(60)
def test_lines_of_several_processes_are_all_there_once(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    context = get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, name)) for name in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    found = texts(tmp_path)
    lines = b"".join(found.values()).decode().split()
    assert sorted(lines) == sorted(f"{name}-{n}" for name in range(4) for n in range(100))
    assert max(map(len, found.values())) <= 2000
