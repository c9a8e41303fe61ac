"""The words of the default answer: friendly, made up, and the same for the same prompt and seed."""

from grok2api.simulator.identity import make_number
from grok2api.simulator.script.directives import last_block, strip_directives

VOCABULARY = (
    *("the", "tide", "comes", "in", "twice", "a", "day", "and", "the", "moon", "knows", "why"),
    *("ships", "wait", "for", "water", "gulls", "wait", "for", "ships", "and", "children", "build"),
    *("castles", "that", "nobody", "defends", "until", "evening", "when", "lamps", "answer"),
    *("stars", "über", "dem", "Meer", "潮汐", "随着", "月亮", "涨落", "🌊", "then", "it", "starts"),
    *("again", "slowly", "with", "a", "line", "of", "foam", "on", "dark", "sand", "here", "now"),
)

_OPENINGS = (
    "Good question!",
    "Happy to help.",
    "Let's look at that together.",
    "Thanks for asking.",
)
_BODIES = (
    "A short answer first: **it depends**, and the details are where the fun is.",
    "The heart of it is simple once it is broken into *small steps*.",
    "There are two sides to this, and both deserve a fair look.",
    "It is easiest to see with an example, so here is one.",
)
_POINTS = (
    "Start with what you already know, and write it down.",
    "Change one thing at a time, then look again.",
    "Measure before you decide; guesses are cheap, so are measurements.",
    "Ask somebody who disagrees with you.",
    "Leave the last step for tomorrow morning.",
    "Keep the part that works, and be kind to the rest.",
)
_CLOSINGS = (
    "Ask again in other words, and the answer will change with them.",
    "Same words, same answer: that is what makes a rehearsal useful.",
    "When you are ready for the real thing, add an account of your own.",
)
_THOUGHTS = (
    "Reading the question and looking for what is really asked. ",
    "Weighing two ways to answer. ",
    "The short form will do, with three points and a friendly end. ",
)
_QUOTE_CHARS = 120


def compose_reasoning(prompt: str, seed: int) -> str:
    """Return the thinking in front of a default answer."""
    number = make_number(seed, "reasoning", last_block(prompt))
    return "".join(_THOUGHTS[: 2 + number % 2])


def compose_answer(prompt: str, seed: int) -> str:
    """Return a default answer in Markdown."""
    said = strip_directives(last_block(prompt))
    number = make_number(seed, "answer", said)
    quote = " ".join(said.split())
    if len(quote) > _QUOTE_CHARS:
        quote = f"{quote[:_QUOTE_CHARS]}…"
    points = sorted(_POINTS, key=lambda point: make_number(number, point))[:3]
    lines = [
        f"{_OPENINGS[number % len(_OPENINGS)]} You wrote:",
        f"> {quote or '(nothing)'}",
        _BODIES[number // 7 % len(_BODIES)],
        "\n".join(f"{n}. {point}" for n, point in enumerate(points, 1)),
        f"{_CLOSINGS[number // 31 % len(_CLOSINGS)]}",
        "*This answer comes from the built-in simulator; no account was used.*",
    ]
    return "\n\n".join(lines)
