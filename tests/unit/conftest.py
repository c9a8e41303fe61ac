"""Pure code needs no network: a unit test that opens a socket fails."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Refuse sockets; the event loop's own pair is a unix socket."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
