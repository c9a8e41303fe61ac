"""Programs of client libraries: a feature goes in as a line of JSON, what was seen comes out."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
VENV = ROOT / ".venv-clients"


class Client(msgspec.Struct, frozen=True):
    """A client library on one of the APIs; `script` is relative to this folder."""

    name: str
    api: str
    script: str
    is_apart: bool = True
    """Whether it is in the clients' own environment, not with the tests."""
    lacks: frozenset[str] = frozenset()
    """Features that the library does not have, whatever the gateway does."""

    @property
    def label(self) -> str:
        return f"{Path(self.script).stem}-{self.api.split()[0].lower()}"

    def command(self) -> list[str]:
        name, argument = Path(self.script).name, self.api.split()[0].lower()
        if self.script.endswith(".mjs"):
            return [str(VENV / "bin" / "node"), str(VENV / "node" / name), argument]
        python = str(VENV / "bin" / "python") if self.is_apart else sys.executable
        return [python, str(HERE / self.script), argument]


CHAT, RESPONSES, MESSAGES = "Chat Completions", "Responses", "Messages"
REASONING = frozenset({"reasoning", "reasoning_streamed"})
VERCEL = "Vercel AI SDK"
CLIENTS = (
    Client("OpenAI for Python", CHAT, "python/openai_sdk.py", is_apart=False),
    Client("OpenAI for Python", RESPONSES, "python/openai_sdk.py", is_apart=False),
    Client("Anthropic for Python", MESSAGES, "python/anthropic_sdk.py", is_apart=False),
    Client("OpenAI for Node", CHAT, "node/openai_chat.mjs"),
    Client("OpenAI for Node", RESPONSES, "node/openai_responses.mjs"),
    Client("Anthropic for Node", MESSAGES, "node/anthropic_messages.mjs"),
    Client(VERCEL, CHAT, "node/vercel.mjs", lacks=REASONING),
    Client(VERCEL, RESPONSES, "node/vercel.mjs"),
    Client(VERCEL, MESSAGES, "node/vercel.mjs"),
    Client("LangChain", CHAT, "python/lang_chain.py", lacks=REASONING),
    Client("LangChain", RESPONSES, "python/lang_chain.py"),
    Client("LangChain", MESSAGES, "python/lang_chain.py"),
    Client("LiteLLM", CHAT, "python/lite.py"),
    Client("LiteLLM", MESSAGES, "python/lite.py", lacks=frozenset({"retried"})),
)


class Driver:
    """A running program of a client."""

    def __init__(self, client: Client, *, url: str, key: str, log: Path) -> None:
        assert (VENV / ".installed").exists(), "The clients are not installed: make clients"
        for script in (HERE / "node").glob("*.mjs"):
            shutil.copy(script, VENV / "node")  # modules are looked for beside the script
        command = client.command()
        environment = {
            "GATEWAY_URL": url,
            "GATEWAY_KEY": key,
            "PATH": f"{VENV / 'bin'}:/usr/bin:/bin",
            "NO_PROXY": "*",
        }
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=VENV,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._log = log
        self.versions: list[str] = self._read()

    def ask(self, feature: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"feature": feature, **given}) + b"\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"The client's program ended: {self._log.read_text()}"
        answer = msgspec.json.decode(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]
