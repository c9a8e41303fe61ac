"""How a simulator behaves: fixed for its life."""

from dataclasses import dataclass, field
from typing import Literal

from grok2api.clock import Clock, SystemClock

Tier = Literal["basic", "super", "heavy"]
StatsigPolicy = Literal["any", "none", "signed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Switches of one simulator.

    Attributes:
        accept_any: Every session token is a healthy account; otherwise only registered ones are.
        tier: Plan of accounts that were registered without one, and of accepted strangers.
        seed: Same seed, same requests, same bytes.
        delay_ms: Pause after every token of an answer that does not say otherwise.
        enforce_quota: Refuse a mode the tier lacks, and calls beyond its window.
        statsig: "any" takes a signed value, the browser's own fallback or none; "signed" and "none"
            refuse everything else with the site's anti-bot answer.
        origin: Origin and start of the referer that the site expects.
        verification: Content of the page's verification element.
        keep_requests: How many of the last requests the ledger shows.
    """

    accept_any: bool = False
    tier: Tier = "basic"
    seed: int = 0
    delay_ms: float = 0.0
    enforce_quota: bool = False
    statsig: StatsigPolicy = "any"
    origin: str = "https://grok.com"
    verification: str = "simulated-site-verification"
    keep_requests: int = 50
    clock: Clock = field(default_factory=SystemClock)
