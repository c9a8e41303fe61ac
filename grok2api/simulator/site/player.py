"""Plays steps at the pace of a script."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from grok2api.simulator.script.directives import Script
from grok2api.simulator.script.turn import Pause, Reasoning, Step, Text
from grok2api.simulator.site.lines import Line

# With no pause between tokens, this many frames go into one write, and so many writes before others
# get their turn.
_DEFAULT_BURST = 16
_WRITES_PER_TURN = 8


class FrameEncoder(Protocol):
    """Turns steps into frames of one protocol."""

    def encode(self, step: Step) -> list[bytes]: ...


async def play(steps: Iterable[Step], encoder: FrameEncoder, line: Line, script: Script) -> None:
    """Write the frames of all steps; `script.delay_ms` must be set.

    Every write carries `script.burst` frames; a pause follows each one that ends with a token.
    """
    delay_s = (script.delay_ms or 0.0) / 1000
    burst = script.burst or (1 if delay_s else _DEFAULT_BURST)
    waiting: list[bytes] = []
    writes = 0
    for step in steps:
        if isinstance(step, Pause):
            await _flush(line, waiting)
            await asyncio.sleep(step.ms / 1000)
            continue
        waiting += encoder.encode(step)
        if len(waiting) < burst:
            continue
        await _flush(line, waiting)
        writes += 1
        if delay_s and isinstance(step, Text | Reasoning):
            await asyncio.sleep(delay_s)
        elif writes % _WRITES_PER_TURN == 0:
            await asyncio.sleep(0)
    await _flush(line, waiting)


async def _flush(line: Line, waiting: list[bytes]) -> None:
    if waiting:
        await line.write(waiting)
        waiting.clear()
