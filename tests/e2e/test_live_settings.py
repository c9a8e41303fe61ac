"""Settings that change while the gateway runs: every worker follows, no request notices."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import msgspec
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PASSWORD = "planted-password-0123456789"
PROXY_SECRET = "planted-proxy-password-0123456789"
FOLLOW_S = 2.0
WORKERS = 2
MANY = 40
STORY = "Tell me about tides. [[sim: tokens=150; delay_ms=40]]"

Install = Callable[..., Installation]


@pytest.fixture
def gateway(install: Install) -> Installation:
    return install(
        workers=WORKERS,
        settings={"GROK_APP_APP_KEY": PASSWORD},
    )


def admin(gateway: Installation, method: str, path: str, body: object = None) -> httpx2.Response:
    return httpx2.request(
        method,
        f"{gateway.url}/admin/api/config{path}",
        headers={"authorization": f"Bearer {PASSWORD}"},
        content=b"" if body is None else msgspec.json.encode(body),
    )


def taken(gateway: Installation) -> int:
    """Return how many graphs workers have opened because of changes."""
    return gateway.log.read_text().count('"settings_taken"')


def change(gateway: Installation, **changes: Any) -> int:
    """Change settings and wait until both workers have them; returns the revision."""
    before = taken(gateway)
    named = {key.replace("__", "."): value for key, value in changes.items()}
    answer = admin(gateway, "PUT", "", {"changes": named})
    assert answer.status_code == 200, answer.text
    saved_s = time.monotonic()
    wait_until(lambda: taken(gateway) == before + WORKERS, seconds=20, what="workers that follow")
    assert time.monotonic() - saved_s < FOLLOW_S
    return int(answer.json()["revision"])


def ask_all(ask: Callable[[], Any]) -> set[Any]:
    """Ask over many connections at once, so that every worker answers; return what was said."""
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda _: ask(), range(MANY)))


def names(gateway: Installation) -> frozenset[str]:
    headers = {"authorization": f"Bearer {gateway.key}"}
    listed = httpx2.get(f"{gateway.url}/v1/models", headers=headers).json()["data"]
    return frozenset(model["id"] for model in listed)


def test_both_workers_follow_within_two_seconds(gateway: Installation) -> None:
    def send_much() -> int:
        return httpx2.post(
            f"{gateway.url}/v1/chat/completions",
            headers={"authorization": f"Bearer {gateway.key}"},
            content=b"x" * 2_000_000,
        ).status_code

    assert ask_all(send_much) == {400}

    change(
        gateway,
        security__max_body_mb=1,
        retry__max_attempts=5,
        features__image_format="local_url",
        models__aliases={"my-model": "grok-chat-fast"},
    )

    assert ask_all(send_much) == {413}
    (listed,) = ask_all(lambda: names(gateway))
    assert "my-model" in listed
    change(gateway, models__aliases=None)
    (listed,) = ask_all(lambda: names(gateway))
    assert "my-model" not in listed
    assert ask_all(send_much) == {413}


def test_running_stream_is_not_cut(gateway: Installation) -> None:
    with gateway.client() as client:
        stream = client.chat.completions.create(
            model="grok-chat-fast",
            messages=[{"role": "user", "content": STORY}],
            stream=True,
        )
        chunks = [next(stream)]
        for number in range(3):
            change(gateway, retry__max_attempts=4 + number)
        assert gateway.open_leases() == 1  # it is not over
        chunks += list(stream)

    assert chunks[-1].choices[0].finish_reason == "stop"
    wait_until(lambda: gateway.open_leases() == 0, seconds=20, what="leases that are free")


def test_changes_outlive_a_restart_and_reach_commands(gateway: Installation) -> None:
    revision = change(gateway, models__aliases={"my-model": "grok-chat-fast"})

    assert gateway.stop() == 0
    gateway.start()

    (listed,) = ask_all(lambda: names(gateway))
    assert "my-model" in listed
    before = taken(gateway)
    gateway.command("config", "set", "models.aliases", "other=grok-chat-fast")
    wait_until(lambda: taken(gateway) == before + WORKERS, seconds=20, what="workers")
    (listed,) = ask_all(lambda: names(gateway))
    assert "other" in listed
    gateway.command("config", "rollback", str(revision))
    wait_until(lambda: taken(gateway) == before + 2 * WORKERS, seconds=20, what="workers")
    (listed,) = ask_all(lambda: names(gateway))
    assert "my-model" in listed


def test_maintenance_follows(gateway: Installation) -> None:
    change(gateway, account__refresh__enabled=False)

    wait_until(
        lambda: '"jobs_begin_anew"' in gateway.log.read_text(), seconds=20, what="maintenance"
    )


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("retry.max_attempts", 0, "invalid_value"),
        ("server.port", 9000, "startup_only_setting"),
        ("app.app_key", "another-password-0123456789", "locked_setting"),
        ("no.such", 1, "unknown_setting"),
    ],
)
def test_refused_change_changes_nobody(
    install: Install, key: str, value: object, code: str
) -> None:
    gateway = install(workers=WORKERS, settings={"GROK_APP_APP_KEY": PASSWORD}, accounts=0)

    answer = admin(
        gateway, "PUT", "", {"changes": {key: value, "models.aliases": {"x": "grok-chat-fast"}}}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["param"] == key
    assert admin(gateway, "GET", "").json()["revision"] == 0


def test_of_changes_made_at_the_same_time_one_wins(install: Install) -> None:
    gateway = install(workers=WORKERS, settings={"GROK_APP_APP_KEY": PASSWORD}, accounts=0)

    def save(attempts: int) -> int:
        body = {"changes": {"retry.max_attempts": attempts}, "revision": 0}
        return admin(gateway, "PUT", "", body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(save, range(4, 12)))

    assert sorted(statuses) == [200] + 7 * [409]
    assert admin(gateway, "GET", "").json()["revision"] == 1


def test_secret_is_in_no_answer_and_no_log(gateway: Installation) -> None:
    url = f"http://user:{PROXY_SECRET}@127.0.0.1:9"
    answers = [
        admin(gateway, "PUT", "", {"changes": {"proxy.url": url}}),
        admin(gateway, "PUT", "", {"changes": {"proxy.url": f"ftp://{PROXY_SECRET}"}}),
        admin(gateway, "POST", "/validate", {"changes": {"proxy.url": f"{url}x"}}),
        admin(gateway, "PUT", "", {"changes": {"proxy.url": None}}),
        admin(gateway, "POST", "/rollback", {"to": 1}),
        admin(gateway, "GET", ""),
        admin(gateway, "GET", "/history"),
    ]

    assert [a.status_code for a in answers] == [200, 400, 200, 200, 200, 200, 200]
    shown = gateway.command("config", "show", "--origin", "--json")
    texts = [a.text for a in answers] + [shown, gateway.log.read_text()]
    assert [text for text in texts if PROXY_SECRET in text] == []
    view = {s["key"]: s for s in msgspec.json.decode(shown)["settings"]}["proxy.url"]
    assert (view["is_set"], view["value"], view["origin"]) == (True, None, "store")
