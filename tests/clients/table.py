"""docs/compatibility.md as the tests found it."""

from dataclasses import dataclass, field

from tests.clients.drivers import CLIENTS, Client

FEATURES = {
    "whole": "whole",
    "streamed": "streamed",
    "tools": "tools",
    "tools_streamed": "tools, streamed",
    "reasoning": "reasoning",
    "reasoning_streamed": "reasoning, streamed",
    "structured": "JSON schema",
    "image": "image in",
    "errors": "errors",
    "broken": "error mid-stream",
    "cancelled": "cancelled",
    "retried": "asks again when told",
    "hopeless": "requests for a hopeless one",
}
HEAD = """# Which clients work

Made by `tests/clients`, which runs every client over real sockets against a gateway with two
workers and a simulated upstream; `make test` fails when this page is not what it found. A tick is a
test that passed, a dash something that this client does not have.

"tools" are two turns: a call, then its result. "image in" is a small PNG in the request, as base64;
it reached the account that answered. "asks again when told" is one more request after an error with
`retry-after`. "requests for a hopeless one" counts what the client sends, with its own settings,
when the gateway has tried what can be tried and says so (`x-should-retry: false`).

More of the Python SDKs, and recorded requests of coding agents, are in `tests/e2e` and `tests/web`.
"""


@dataclass
class Table:
    """What has passed so far, and the counts that are told instead of ticks."""

    passed: set[tuple[Client, str]] = field(default_factory=set)
    counts: dict[tuple[Client, str], int] = field(default_factory=dict)
    versions: dict[Client, list[str]] = field(default_factory=dict)

    def render(self) -> str:
        """Return the page."""
        rows = [["Client", "API", *FEATURES.values(), "Versions"]]
        rows.append(["---"] * len(rows[0]))
        for client in CLIENTS:
            cells = [self._cell(client, feature) for feature in FEATURES]
            versions = ", ".join(self.versions.get(client, ()))
            rows.append([client.name, client.api, *cells, versions])
        return HEAD + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def _cell(self, client: Client, feature: str) -> str:
        if (client, feature) not in self.passed:
            return "-"
        return str(self.counts.get((client, feature), "✓"))
