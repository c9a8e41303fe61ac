"""One line of JSON in ({feature, prompt, …}), one line of JSON out ({value} or {error})."""

import json  # noqa: TID251 - runs where the gateway's own packages are not installed
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

URL = os.environ["GATEWAY_URL"]  # noqa: TID251 - as above
KEY = os.environ["GATEWAY_KEY"]  # noqa: TID251
API = sys.argv[1]

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = "get_weather"
ABOUT = "The weather in a city."

Asked = dict[str, Any]
Feature = Callable[[Asked], Any]


def data_url(asked: Asked) -> str:
    """Return the picture that is asked about, as a URL."""
    return f"data:image/png;base64,{asked['image']}"


def refusal(act: Callable[[], object]) -> dict[str, Any]:
    """Return what `act` is refused with."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - the libraries have no common base
        return {"status": getattr(error, "status_code", None), "message": str(error)}
    return {"status": 200, "message": ""}


def serve(packages: list[str], features: Mapping[str, Feature]) -> None:
    """Serve the features until standard input ends."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not come between the answers

    def tell(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    tell({"value": [f"{name} {version(name)}" for name in packages]})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            tell({"value": features[asked["feature"]](asked)})
        except Exception:  # noqa: BLE001 - whatever it is, the test tells it
            tell({"error": traceback.format_exc()})
