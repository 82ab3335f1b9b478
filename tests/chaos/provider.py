"""The provider's process: a sandbox on a port, forked from here, and its books."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import signal
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from chaos.values import Script

from catalog.pricing import MOLMO2
from catalog.values import utc_now
from tasks.sandbox.app import create_app
from tasks.sandbox.faults import FaultPlan
from tasks.sandbox.server import listen, make_server
from tasks.sandbox.wire import nanoseconds


@dataclass(kw_only=True)
class ProviderProcess:
    """A sandbox that runs in a child of this process."""

    pid: int
    port: int
    api_key: str = field(repr=False)
    _line: http.client.HTTPConnection | None = field(default=None)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def audit(self) -> dict[str, Any]:
        return self._ask("GET", "/audit")

    def predictions(self) -> list[dict[str, Any]]:
        return self._ask("GET", "/audit/predictions")

    def set_faults(self, plan: FaultPlan) -> None:
        self._ask("POST", "/control/faults", {"rates": dict(plan.rates), "seed": plan.seed})

    def advance(self, seconds: float) -> None:
        self._ask("POST", "/control/clock", {"advance_seconds": seconds})

    def turn(self, seconds: float) -> None:
        self._ask("POST", "/control/clock", {"turn_seconds": seconds})

    def set_balance(self, balance_micros: int) -> None:
        self._ask("POST", "/control/balance", {"balance_micros": balance_micros})

    def end(self) -> None:
        if self._line is not None:
            self._line.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def hang_up(self) -> None:
        """Close the line, so that no child that is forked now shares it."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        key = {"Authorization": f"Bearer {self.api_key}"}
        self._line.request(method, path, None if body is None else json.dumps(body), key)
        answer = self._line.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise AssertionError(f"{path} answered {answer.status}: {content}")
        return content


def open_provider(script: Script, folder: Path) -> ProviderProcess:
    """Fork a sandbox for one history."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        try:
            logging.disable()  # who hangs up is no news here
            tempfile.tempdir = str(folder)  # its uploads go with the history
            ahead = timedelta(seconds=script.skew)
            app = create_app(script.sandbox, clock=lambda: utc_now() + ahead)
            now_ns = nanoseconds(utc_now() + ahead)
            for _ in range(script.strangers):
                app.state.sandbox.account.add_foreign(MOLMO2, now_ns)
            asyncio.run(make_server(app).serve(sockets=[listening]))
        finally:
            os._exit(1)
    listening.close()
    return ProviderProcess(pid=pid, port=port, api_key=script.sandbox.api_key)
