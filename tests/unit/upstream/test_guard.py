"""Which URLs and addresses are let through; every trick that is known, and any other text."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from grok2api.upstream.guard import (
    BlockedError,
    Guard,
    GuardRules,
    is_public,
    parse_target,
)

RULES = GuardRules()

CLOSED = [
    str(ip_address(0)),
    *("0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200"),
    *("100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"),
    *("::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1"),
    *("fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1"),
    *("ff0e::1", "4000::1", "2606:4700::1111%1"),
]
OPEN = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255"),
    *("172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
    *("223.255.255.255", "168.63.129.17", "2606:4700::1111", "2a00:1450::1", "2001:4860::8888"),
    *("2003::1", "2400::1"),
]


@pytest.mark.parametrize("text", CLOSED)
def test_address_that_is_not_everybodys_is_closed(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_public_address_is_open(text: str) -> None:
    assert is_public(ip_address(text))


BLOCKED = [
    # Other schemes, and no URL at all.
    *("", "/", "x", "//127.0.0.1/", "http:", "http://", "http:///x", "http://?q", "http://#f"),
    *("https:example.com", "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/"),
    *("unix:///run/x.sock", "data:image/png;base64,AA==", "dict://example.com:11211/"),
    *("javascript:alert(1)", "http+unix://%2Frun%2Fx/", "jar:http://example.com!/"),
    # Loopback and local names.
    *(
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://localhost.localdomain/",
    ),
    *("http://printer.local/", "http://metadata.google.internal/", "http://metadata/"),
    *("http://intranet/", "http://router.lan/", "http://nas.home/", "http://x.home.arpa/"),
    *("http://db.corp/", "http://1.0.0.127.in-addr.arpa/", "http://redis:6379/", "http://x.onion/"),
    # Addresses spelt as few would.
    *("http://127.1/", "http://127.0.1/", "http://0/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.01/"),
    *("http://0x7f.0x0.0x0.0x1/", "http://1.1.1.0x1/", "http://8.8.8.8.8/", "http://256.1.1.1/"),
    *("http://127.0.0.1../", "http://foo.1/", "http://foo.0x1f/", "http://0x/", "http://1.2.3/"),
    *("http://127。0。0。1。0/", "http://[::1]x/", "http://[::1/", "http://::1/"),
    *("http://[v1.x]/", "http://[127.0.0.1]/", "http://[::1%25lo]/", "http://[fe80::1%eth0]/"),
    *("http://[::ffff:127.0.0.1%25]/", "http://[]/", "http://[example.com]/"),
    # Who reads what is the host?
    *("http://a@example.com/", "http://a:b@example.com/", "http://@example.com/"),
    *(
        "http://127.0.0.1@example.com/",
        "http://example.com@127.0.0.1/",
        "http://a%40b@example.com/",
    ),
    *("http://example.com\\@127.0.0.1/", "http://example.com\\.evil.com/", "http:\\\\127.0.0.1\\"),
    *(
        "http://127.0.0.1%2f@example.com/",
        "http://127.0.0.1%00.example.com/",
        "http://exa%6dple.com/",
    ),
    *("http://\t127.0.0.1/", "http://example.com\r\nHost: x/", "http://exam ple.com/"),
    *(
        " http://example.com/",
        "http://example.com/ x",
        "http://example.com/\x00",
        "http://a\x7f.com/",
    ),
    *("http://-a.com/", "http://a-.com/", "http://a..com/", "http://.com/", "http://a!b.com/"),
    *(
        "http://a.com;b.com/",
        "http://a,b.com/",
        "http://xn--\u0131.com\u200b/",
        "http://a\u3000.com/",
    ),
    *("http://example.com/\ud800", f"http://{'a' * 64}.com/", f"http://{'a.' * 130}com/"),
    # Ports.
    *("http://example.com:22/", "http://example.com:6379/", "https://example.com:8443/"),
    *("http://example.com:0/", "http://example.com:65536/", "http://example.com:-1/"),
    *("http://example.com:8o/", "http://example.com:80:80/", "http://example.com:٨٠/"),
    f"http://example.com/{'a' * 8200}",
]


@pytest.mark.parametrize("url", BLOCKED)
def test_url_with_a_trick_is_refused_unresolved(url: str) -> None:
    with pytest.raises(BlockedError):
        parse_target(url, RULES)


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://{a}/" if ":" not in a else f"http://[{a}]/" for a in CLOSED if "%" not in a),
        *(
            "http://127。0。0。1/",
            "http://①②⑦.⓪.⓪.①/",
            "http://\uff11\uff12\uff17.0.0.1/",
            "http://127.0.0.1#@example.com/",
        ),
        *("http://127.0.0.1?@example.com/", "http://127.0.0.1/@example.com", "http://127.0.0.1./"),
    ],
)
async def test_url_of_a_closed_address_is_refused(url: str) -> None:
    guard = Guard(RULES, _resolver("8.8.8.8"))

    with pytest.raises(BlockedError):
        await guard.find_addresses(parse_target(url, RULES))


@pytest.mark.parametrize(
    ("url", "asked", "port"),
    [
        ("http://example.com", "http://example.com/", 80),
        ("HTTPS://Example.COM:443/a/../b?q=1#f", "https://example.com/a/../b?q=1", 443),
        ("http://example.com:443/", "http://example.com:443/", 443),
        ("https://example.com./x", "https://example.com/x", 443),
        ("https://bücher.example/ü?ß=%20", "https://xn--bcher-kva.example/%C3%BC?%C3%9F=%20", 443),
        ("http://8.8.8.8/x", "http://8.8.8.8/x", 80),
        ("http://[2606:4700:0::1111]/", "http://[2606:4700::1111]/", 80),
        ("https://a_b.example.com/?url=http://127.0.0.1/", "", 443),
    ],
)
def test_good_url_is_put_together_anew(url: str, asked: str, port: int) -> None:
    target = parse_target(url, RULES)

    assert target.url == (asked or url)
    assert target.port == port


def _resolver(*addresses: str | Exception):
    async def resolve(host: str, port: int) -> list[str]:
        for address in addresses:
            if isinstance(address, Exception):
                raise address
        return [str(address) for address in addresses]

    return resolve


@pytest.mark.parametrize(
    "answer",
    [
        ("127.0.0.1",),
        ("8.8.8.8", "10.0.0.1"),
        ("10.0.0.1", "8.8.8.8"),
        ("2606:4700::1111", "::1"),
        ("8.8.8.8", "fe80::1%2"),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
        (),
        ("not an address",),
        (OSError("no such name"),),
        (UnicodeError(),),
        tuple(f"8.8.8.{n}" for n in range(65)),
    ],
)
async def test_answer_with_one_closed_address_spoils_the_name(
    answer: tuple[str | Exception, ...],
) -> None:
    guard = Guard(RULES, _resolver(*answer))

    with pytest.raises(BlockedError) as caught:
        await guard.find_addresses(parse_target("http://example.com/", RULES))

    assert str(caught.value) == "It does not lead to a public address."


async def test_all_addresses_of_a_public_name_are_told_in_order() -> None:
    guard = Guard(RULES, _resolver("2606:4700::1111", "8.8.8.8", "8.8.8.8"))

    found = await guard.find_addresses(parse_target("http://example.com/", RULES))

    assert found == [IPv6Address("2606:4700::1111"), IPv4Address("8.8.8.8")]


async def test_slow_resolver_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grok2api.upstream.guard.RESOLVE_TIMEOUT_S", 0.01)

    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(BlockedError):
        await Guard(RULES, never).find_addresses(parse_target("http://example.com/", RULES))


async def test_only_named_networks_are_trusted_besides() -> None:
    guard = Guard(GuardRules(trusted=("127.0.0.0/8",)))

    found = await guard.find_addresses(parse_target("http://127.0.0.1/", guard.rules))

    assert found == [IPv4Address("127.0.0.1")]
    with pytest.raises(BlockedError):
        await guard.find_addresses(parse_target("http://10.0.0.1/", guard.rules))


@given(st.ip_addresses(v=4))
def test_no_address_that_python_calls_private_is_open(address: IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=6))
def test_only_global_unicast_is_open(address: IPv6Address) -> None:
    if is_public(address):
        assert address in ip_network("2000::/3")
        assert address.ipv4_mapped is None
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.ip_addresses(v=4))
def test_what_carries_an_address_inside_is_closed(inner: IPv4Address) -> None:
    number = int(inner)
    carriers = [
        IPv6Address(number),
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
    ]

    assert not any(map(is_public, carriers))


PIECES = st.lists(
    st.sampled_from(
        [
            *("http://", "https://", "//", "/", "\\", "@", ":", "#", "?", "%", "[", "]", "."),
            *("127.0.0.1", "example.com", "0x7f", "1", "80", "::1", "a", "-", "\t", "。", "%2f"),
        ]
    ),
    max_size=12,
).map("".join)


@given(PIECES | st.text(max_size=40).map("http://".__add__))
def test_what_passes_reads_the_same_for_everybody(url: str) -> None:
    try:
        target = parse_target(url, RULES)
    except BlockedError:
        return

    parts = urlsplit(target.url)
    assert target.url.isascii()
    assert parts.scheme in {"http", "https"}
    assert parts.hostname == target.host.strip("[]")
    assert parts.username is None
    assert (parts.port or {"http": 80, "https": 443}[parts.scheme]) == target.port
    assert parse_target(target.url, RULES) == target
