"""What holds of the keys of accounts after every script, whatever happened before."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from grok2api.domain.account import POOLS, Pool, Status
from grok2api.store import keys
from tests.lua.conftest import KeyView

SLOTS = {
    "auto": 0,
    "fast": 1,
    "expert": 2,
    "heavy": 3,
    "grok_4_3": 4,
    "image_pro": 5,
    "image_edit": 6,
    "video": 7,
    "video_720p": 8,
}
Record = dict[str, Any]


@dataclass
class Snapshot:
    """All keys of accounts at one instant."""

    now_ms: int
    records: dict[str, Record]
    leases: dict[str, list[Any]]
    waiters: dict[str, Record]
    timers: dict[str, float]
    waiting: list[str]
    queues: dict[str, str]
    counts: dict[Pool, dict[str, int]]
    ready: dict[Pool, dict[str, float]]
    members: list[list[str]]

    @classmethod
    async def take(cls, view: KeyView, now_ms: int) -> "Snapshot":
        return cls(
            now_ms=now_ms,
            records=await view.unpacked(keys.accounts()),
            leases=await view.unpacked(keys.leases()),
            waiters=await view.unpacked(keys.waiters()),
            timers=await view.scores(keys.timers()),
            waiting=await view.members(keys.waiting()),
            queues=await view.hash(keys.queues()),
            counts={pool: await view.counts(pool) for pool in POOLS},
            ready={pool: await view.scores(keys.ready(pool)) for pool in POOLS},
            members=[
                await view.members(keys.account_index()),
                await view.members(keys.refresh()),
                list(await view.hash(keys.account_secrets())),
            ],
        )

    def check(self) -> None:
        for name, record in self.records.items():
            self._check_leases_of(name, record)
            for window in record["windows"].values():
                _check_window(window)
            self._check_places(name, record)
        self._check_books()
        self._check_timers()
        self._check_lines()
        for members in self.members:
            assert sorted(members) == sorted(self.records)

    def free_units(self, record: Record, mode: str) -> float:
        window = record["windows"].get(mode)
        credits_ = record.get("credits")
        if window is None or window.get("rest", 0) > self.now_ms:
            return 0
        if credits_ and credits_["left"] <= 0:
            return 0
        return float("inf") if window.get("total") is None else float(window["left"])

    def has_units(self, record: Record) -> bool:
        """Whether some mode has units, be it that it rests: one that is known, if any is."""
        credits_ = record.get("credits")
        is_gated = credits_ is not None and credits_["left"] <= 0
        known = [w for w in record["windows"].values() if w.get("total") is not None]
        return not is_gated and (not known or any(w["left"] > 0 for w in known))

    def live_leases(self, name: str, record: Record) -> list[list[Any]]:
        return [
            lease
            for lease in self.leases.values()
            if [lease[0], lease[3]] == [name, record["born"]]
        ]

    def _check_leases_of(self, name: str, record: Record) -> None:
        open_ = len(self.live_leases(name, record))
        assert record.get("open", 0) == open_
        limit = 1 if record.get("trial") else record.get("limit")
        if record.get("full"):
            assert open_ >= (limit or 1)
        elif limit:
            assert open_ < limit

    def _check_places(self, name: str, record: Record) -> None:
        tags = [tag for tag in record.get("tags", []) if isinstance(tag, int)]
        for mode, slot in SLOTS.items():
            window = record["windows"].get(mode, {})
            if window.get("rest") and window["rest"] <= self.now_ms:
                continue  # its timer is due: it is in or out, as the last change found it
            free = self.free_units(record, mode)
            is_ready = record["status"] == "active" and not record.get("full") and free > 0
            for tag in (0, *tags):
                member = f"{mode}#{tag} {name}" if tag else f"{mode} {name}"
                for pool in POOLS:
                    score = self.ready[pool].get(member)
                    is_expected = is_ready and keys.pool_name(pool) == record["pool"]
                    assert (score is not None) == is_expected, (member, record)
                    if score is not None:
                        within = score - (tag * 16 + slot - 2048) * 2**42
                        assert 0 <= within < 2**42
                        assert (within >= 2**41) == (free < 4)

    def _check_books(self) -> None:
        ready = {m.split(" ", 1)[1] for scores in self.ready.values() for m in scores}
        assert ready <= set(self.records)
        for pool in POOLS:
            name, counts = keys.pool_name(pool), Counter(self.counts[pool])
            here = [record for record in self.records.values() if record["pool"] == name]
            assert counts["total"] == len(here)
            by_status = Counter(record["status"] for record in here)
            assert {s: counts[s] for s in Status} == {s: by_status[s] for s in Status}
            leases = [lease for lease in self.leases.values() if lease[4] == name]
            assert counts["open"] == len(leases)
            held = sum(lease[2] for lease in leases)
            assert counts["granted"] == counts["settled"] + counts["refunded"] + held

    def _check_timers(self) -> None:
        expected = {f"wait {name}": waiter["ends"] for name, waiter in self.waiters.items()}
        for name, record in self.records.items():
            is_spent = (record["status"], record.get("reason")) == ("exhausted", "quota")
            if record.get("ends") and not is_spent:
                assert record["status"] in ("cooling", "exhausted", "deleted")
                expected[f"wake {name}"] = record["ends"]
            for mode, window in record["windows"].items():
                if window.get("reset"):
                    expected[f"window {mode} {name}"] = window["reset"]
                if window.get("rest"):
                    expected[f"rest {mode} {name}"] = window["rest"]
            if record.get("credits"):
                expected[f"window credits {name}"] = record["credits"]["reset"]
        others = {m: at for m, at in self.timers.items() if not m.startswith("lease ")}
        assert others == expected
        leases = {m.removeprefix("lease ") for m in self.timers if m.startswith("lease ")}
        assert leases == set(self.leases)

    def _check_lines(self) -> None:
        slots = [f"{slot} {name}" for name, w in self.waiters.items() for slot in w["slots"]]
        assert sorted(self.waiting) == sorted(slots)
        waiting = Counter(waiter["key"] for waiter in self.waiters.values())
        queues = {key: int(entry.split()[0]) for key, entry in self.queues.items() if key}
        assert queues == waiting
        assert not set(self.waiters) & set(self.leases)


def _check_window(window: Record) -> None:
    held = window.get("held", 0)
    assert held >= 0
    total = window.get("total")
    if total is None:
        assert window.keys() <= {"length", "held", "rest"}
        return
    assert window["left"] >= 0
    assert window["left"] + held <= max(total, held)
    is_full = window["left"] == total and not window.get("once")
    assert is_full or window.get("reset")
