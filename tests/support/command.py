"""The installed `reelcat` as processes: called in a folder, and serving a sandbox on a port.

`Shell` is a folder and an environment that holds nothing of the machine's own settings.
`sandbox_of` serves for as long as its block lasts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

REELCAT = Path(sys.executable).with_name("reelcat")
KEY = "wsk_a_key_that_nobody_may_see"

#: On a busy machine everything takes its time; nothing waits as long as this unless it hangs.
PATIENCE_SECONDS = 120.0

_FOREIGN = ("REELCAT_", "WAVESPEED_", "AWS_", "PREFECT_")


def plain_environment() -> dict[str, str]:
    """The machine's environment without any setting of ours.

    Python may keep what it compiled, or every call takes twice as long as it does for people.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    return plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A call that is over."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one object that `--json` printed."""
        assert self.out, self.err
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """A folder to call `reelcat` in."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=plain_environment)

    def having(self, **environment: str) -> Shell:
        """The same folder with more in its environment."""
        return replace(self, environment={**self.environment, **environment})

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [str(REELCAT), *arguments],
            cwd=self.folder,
            env={**self.environment, "PREFECT_HOME": str(self.folder / "no-prefect")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str, **options: Any) -> Ended:
        """Call it and wait for its end; a traceback fails the test, whatever it was called for."""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE_SECONDS)
            finally:
                process.kill()
        assert "Traceback" not in err, err
        return Ended(code=process.returncode, out=out, err=err)

    def export(self) -> list[dict[str, Any]]:
        """Everything in the catalog."""
        return [json.loads(line) for line in self("export").out.splitlines()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A sandbox on a port."""

    url: str

    def environment(self) -> dict[str, str]:
        """What points `reelcat` at it, without waiting for what a stand-in need not be given."""
        return {
            "WAVESPEED_BASE_URL": self.url,
            "WAVESPEED_API_KEY": KEY,
            "REELCAT_POLL_INTERVAL": "0.2",
            "REELCAT_SETTLE_DELAY": "0",
        }

    def audit(self) -> dict[str, Any]:
        """What it saw."""
        return self._get("/audit")

    def predictions(self) -> list[dict[str, Any]]:
        """What it accepted, oldest first."""
        return self._get("/audit/predictions")

    def _get(self, path: str) -> Any:
        with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            key = {"Authorization": f"Bearer {KEY}"}
            return client.get(f"{self.url}{path}", headers=key).raise_for_status().json()


@contextlib.contextmanager
def sandbox_of(shell: Shell, *arguments: str) -> Iterator[Sandbox]:
    """Serve a sandbox; without delays unless the arguments give a `--scale`."""
    haste = () if "--scale" in arguments else ("--scale", "0")
    process = shell.start("sandbox", "--port", "0", "--key", KEY, *haste, *arguments)
    try:
        url = next(line.split()[1] for line in process.stdout if line.startswith("  URL"))
        yield Sandbox(url=url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE_SECONDS} s"
        time.sleep(0.05)
