"""Whom a request comes from: what proxies of ours add counts, what clients write never does."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import assume, given, strategies as st
from starlette.types import Scope

from grok2api.errors import SettingsError
from grok2api.web.client_address import MAX_HOPS, TrustedProxies, address_group, parse_address

OURS = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")
PROXIES = TrustedProxies(OURS)
PROXY = "10.0.0.1"


def is_ours(address: str) -> bool:
    return any(ip_address(address) in ip_network(network) for network in OURS)


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.9", "203.0.113.5"),
        (PROXY, "", PROXY),
        (PROXY, "203.0.113.5", "203.0.113.5"),
        (PROXY, "1.2.3.4, 203.0.113.5", "203.0.113.5"),
        (PROXY, "1.2.3.4, 203.0.113.5, 10.9.9.9", "203.0.113.5"),
        (PROXY, "10.2.3.4, 10.9.9.9", "10.2.3.4"),
        (PROXY, "203.0.113.5, unknown", PROXY),
        (PROXY, "203.0.113.5, unknown, 10.9.9.9", "10.9.9.9"),
        (PROXY, "203.0.113.5, 999.1.1.1", PROXY),
        (PROXY, "203.0.113.5,, ", "203.0.113.5"),
        (PROXY, "203.0.113.5:4711", "203.0.113.5"),
        (PROXY, "[2001:db8::5]:4711", "2001:db8::5"),
        (PROXY, "[2001:db8::5]", "2001:db8::5"),
        (PROXY, "2001:DB8:0::5", "2001:db8::5"),
        (PROXY, "[2001:db8::5]x", PROXY),
        (PROXY, "::ffff:203.0.113.5", "203.0.113.5"),
        ("::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("fd00::1", "203.0.113.5", "203.0.113.5"),
        ("fe80::1%eth0", "203.0.113.5", "fe80::1"),
        ("", "203.0.113.5", ""),
        ("no address", "203.0.113.5", ""),
    ],
)
def test_client_is_the_first_from_the_right_that_is_no_proxy(
    peer: str, chain: str, client: str
) -> None:
    assert PROXIES.client_of(peer, chain) == client


@pytest.mark.parametrize("peer", ["203.0.113.7", ""])
def test_star_believes_whoever_connects_and_nobody_behind(peer: str) -> None:
    assert TrustedProxies(("*",)).client_of(peer, "1.2.3.4, 203.0.113.5") == "203.0.113.5"
    assert TrustedProxies(("*",)).client_of(peer, "") == peer


def test_without_proxies_nothing_is_believed() -> None:
    assert TrustedProxies(()).client_of("127.0.0.1", "203.0.113.5") == "127.0.0.1"


def test_loopback_is_believed_by_default() -> None:
    assert TrustedProxies().client_of("::1", "203.0.113.5") == "203.0.113.5"


@pytest.mark.parametrize("entry", ["proxy.internal", "10.0.0.0/33", "", "10.0.0.1:80"])
def test_entry_that_is_no_address_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError):
        TrustedProxies((entry,))


ADDRESSES = st.one_of(
    st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(v=4, network="10.0.0.0/8")
).map(lambda address: str(parse_address(str(address))))


@given(peer=ADDRESSES, hops=st.lists(ADDRESSES, max_size=8))
def test_client_is_what_the_definition_says(peer: str, hops: list[str]) -> None:
    heard = [peer, *reversed(hops)]
    strangers = [address for address in heard if not is_ours(address)]

    assert PROXIES.client_of(peer, ", ".join(hops)) == [*strangers, heard[-1]][0]


@given(
    written=st.text(max_size=200),
    hops=st.lists(ADDRESSES, min_size=1, max_size=5),
)
def test_nothing_a_client_writes_changes_who_it_is(written: str, hops: list[str]) -> None:
    assume(any(not is_ours(address) for address in hops))
    chain = ",".join(hops)

    assert PROXIES.client_of(PROXY, f"{written},{chain}") == PROXIES.client_of(PROXY, chain)


@given(peer=st.text(max_size=60), chain=st.text(max_size=300))
def test_any_text_gives_an_address_or_nothing(peer: str, chain: str) -> None:
    client = PROXIES.client_of(peer, chain)

    assert client == "" or str(ip_address(client)) == client


def test_endless_chain_is_looked_at_up_to_a_bound() -> None:
    chain = ",".join(["203.0.113.5", *["10.0.0.2"] * (MAX_HOPS + 1)])

    assert PROXIES.client_of(PROXY, chain) == "10.0.0.2"


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([(b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"HTTPS ")], "https"),
        ([(b"x-forwarded-proto", b"https, https")], "https"),
        ([(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")], "http"),
        ([(b"x-forwarded-proto", b"javascript")], "http"),
        ([], "http"),
    ],
)
def test_scheme_is_what_a_proxy_of_ours_says(
    headers: list[tuple[bytes, bytes]], scheme: str
) -> None:
    scope = {"type": "http", "client": (PROXY, 1), "scheme": "http", "headers": headers}
    foreign = scope | {"client": ("203.0.113.5", 1)}
    socket = scope | {"type": "websocket", "scheme": "ws"}

    assert [PROXIES.client_in(one) for one in (scope, foreign)] == [PROXY, "203.0.113.5"]
    assert PROXIES.client_in(socket | {"client": None}) == ""
    PROXIES.client_in(socket)

    assert (scope["scheme"], foreign["scheme"]) == (scheme, "http")
    assert socket["scheme"] == scheme.replace("http", "ws")


def host_after(peer: str, *told: tuple[bytes, bytes]) -> str:
    """Return the host of a request to `own.example` that came from `peer`."""
    headers = [(b"host", b"own.example"), (b"accept", b"*/*"), *told]
    scope: Scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    PROXIES.client_in(scope)
    (host,) = (str(value, "ascii") for name, value in scope["headers"] if name == b"host")
    assert (b"accept", b"*/*") in scope["headers"]
    return host


@pytest.mark.parametrize(
    ("told", "host"),
    [
        ([(b"x-forwarded-host", b"gw.example")], "gw.example"),
        ([(b"x-forwarded-host", b"gw.example:8443")], "gw.example:8443"),
        ([(b"x-forwarded-host", b"[2001:db8::1]:8443")], "[2001:db8::1]:8443"),
        ([(b"x-forwarded-host", b"evil.example, gw.example")], "gw.example"),
        ([(b"x-forwarded-host", b"evil.example"), (b"x-forwarded-host", b"g")], "g"),
        ([(b"x-forwarded-host", b"gw.example"), (b"x-forwarded-port", b"8443")], "gw.example:8443"),
        ([(b"x-forwarded-host", b"[::1]"), (b"x-forwarded-port", b"1, 8443")], "[::1]:8443"),
        ([(b"x-forwarded-host", b"gw.example:1"), (b"x-forwarded-port", b"8443")], "gw.example:1"),
        ([(b"x-forwarded-host", b"gw.example"), (b"x-forwarded-port", b"80")], "gw.example"),
        (
            [
                (b"x-forwarded-port", b"443"),
                (b"x-forwarded-host", b"gw.example"),
                (b"x-forwarded-proto", b"https"),
            ],
            "gw.example",
        ),
        ([(b"x-forwarded-host", b"gw.example"), (b"x-forwarded-port", b"x")], "gw.example"),
        ([(b"x-forwarded-host", b"gw.example"), (b"x-forwarded-port", b"70000")], "gw.example"),
        ([(b"x-forwarded-port", b"8443")], "own.example"),
        ([(b"x-forwarded-host", b"")], "own.example"),
        ([(b"x-forwarded-host", b"gw.example,")], "own.example"),
        ([(b"x-forwarded-host", b"https://gw.example")], "own.example"),
        ([(b"x-forwarded-host", b"gw.example/path")], "own.example"),
        ([(b"x-forwarded-host", b"user@gw.example")], "own.example"),
        ([(b"x-forwarded-host", b"gw.example:70000")], "own.example"),
        ([(b"x-forwarded-host", "ġw.example".encode())], "own.example"),
    ],
)
def test_host_is_what_the_nearest_proxy_of_ours_says(
    told: list[tuple[bytes, bytes]], host: str
) -> None:
    assert host_after(PROXY, *told) == host
    assert host_after("203.0.113.5", *told) == "own.example"
    assert host_after("", *told) == "own.example"


@pytest.mark.parametrize(
    ("client", "group"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(client: str, group: str) -> None:
    assert address_group(client) == group
