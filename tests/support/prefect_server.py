"""A real Prefect server and a real worker for tests, on a loopback port and in a folder of theirs.

Nothing of the machine's own Prefect is read or written, and nobody outside is told anything.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from swift_server import free_ports

PREFECT = Path(sys.executable).with_name("prefect")
#: On a busy machine everything of Prefect's takes its time.
PATIENCE_SECONDS = 300.0

#: As docs/operations.md has it, and quicker to look at its queue.
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
}
_FOREIGN = ("PREFECT", "REELCAT_", "WAVESPEED_", "AWS_")

#: A locked database is free again within seconds.
_TRIES = 20


@dataclass(kw_only=True)
class PrefectServer:
    """A running server, asked over its REST API."""

    url: str
    folder: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find this server, and nothing of the machine's own."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        return own | SETTINGS | {"PREFECT_HOME": str(self.folder), "PREFECT_API_URL": self.url}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the API, and raise what it refuses.

        A server on SQLite answers 503 while another of its own services holds the database, and on
        a busy machine a question may wait for longer than anybody does. Prefect's client asks again
        then, and so does this, where asking twice changes nothing.
        """
        changes_nothing = method == "GET" or path.endswith("/filter")
        for left in reversed(range(_TRIES)):
            try:
                with httpx.Client(trust_env=False, timeout=60) as client:
                    answer = client.request(method, f"{self.url}{path}", json=body)
            except httpx.TimeoutException:
                if not changes_nothing or not left:
                    raise
                continue
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or not left:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def command(self, *arguments: str, cwd: Path, **environment: str) -> str:
        """Call `prefect` in a folder and return what it says."""
        done = subprocess.run(
            [PREFECT, "--no-prompt", *arguments],
            cwd=cwd,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deployment(self, name: str) -> dict[str, Any]:
        """Return a deployment by `flow/name`."""
        return self.ask("GET", f"/deployments/name/{name}")

    def start(self, deployment_id: str, *, queue: str | None = None, **parameters: Any) -> str:
        """Ask for a run now and return its id."""
        body: dict[str, Any] = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        if queue is not None:
            body["work_queue_name"] = queue
        return self.ask("POST", f"/deployments/{deployment_id}/create_flow_run", body)["id"]

    def ended(self, flow_run_id: str, patience_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for a flow run's end and return it."""
        until(lambda: self.has_ended(flow_run_id), f"flow run {flow_run_id} ends", patience_seconds)
        return self.ask("GET", f"/flow_runs/{flow_run_id}")

    def has_ended(self, flow_run_id: str) -> bool:
        """Tell whether a flow run is over, however it ended."""
        run = self.ask("GET", f"/flow_runs/{flow_run_id}")
        return run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return a flow run's task runs, as far as the server has recorded them."""
        body = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
        return self.ask("POST", "/task_runs/filter", body)

    def artifacts(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        """Return a flow run's artifacts by key."""
        body = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}
        return {one["key"]: one for one in self.ask("POST", "/artifacts/filter", body)}

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """Return the flow runs of a deployment, by `flow/name`."""
        body = {"flow_runs": {"deployment_id": {"any_": [self.deployment(deployment)["id"]]}}}
        return self.ask("POST", "/flow_runs/filter", body)

    def logged(self, flow_run_id: str) -> str:
        """Return what a flow run logged."""
        body = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}}
        return "\n".join(row["message"] for row in self.ask("POST", "/logs/filter", body))

    def holds(self, text: str) -> bool:
        """Tell whether a text lies anywhere in the server's folder: database, logs, results."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return any(text.encode() in path.read_bytes() for path in files)


@contextlib.contextmanager
def running_prefect(folder: Path, *, command: Path = PREFECT) -> Iterator[PrefectServer]:
    """Run a server for as long as the block lasts; `command` is the `prefect` of an environment."""
    port = free_ports(1)[0]
    server = PrefectServer(
        url=f"http://127.0.0.1:{port}/api", folder=folder / "prefect", log=folder / "server.log"
    )
    arguments = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
    with _process(command, arguments, server.environment, cwd=folder, log=server.log) as process:
        until(lambda: _healthy(server, process), "the Prefect server answers")
        yield server


@dataclass(kw_only=True)
class Worker:
    """A process worker, and the flow runs that it has started."""

    name: str
    process: psutil.Process
    log: Path

    def family(self) -> list[psutil.Process]:
        """Its own process and those of its flow runs."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> None:
        """Ask it and all that it started to end, as systemd does."""
        for one in self.family():
            one.terminate()

    def kill(self) -> None:
        """End it and all that it started as a power cut would."""
        family = self.family()
        for one in family:
            one.suspend()  # nobody lives to tell of the others
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=30)


@contextlib.contextmanager
def running_worker(
    server: PrefectServer,
    *,
    cwd: Path,
    log: Path,
    environment: Mapping[str, str],
    name: str = "worker",
    limit: int | None = None,
    queue: str | None = None,
    command: Path = PREFECT,
) -> Iterator[Worker]:
    """Run a process worker for as long as the block lasts; it makes its pool, `reelcat`."""
    arguments = ("worker", "start", "--pool", "reelcat", "--type", "process", "--name", name)
    if limit is not None:
        arguments += ("--limit", str(limit))
    if queue is not None:
        arguments += ("--work-queue", queue)
    own = server.environment | environment
    with _process(command, arguments, own, cwd=cwd, log=log) as process:
        worker = Worker(name=name, process=psutil.Process(process.pid), log=log)
        try:
            yield worker
        finally:
            worker.kill()  # one that is only asked takes half a minute


def wait_for(server: PrefectServer, *workers: Worker) -> None:
    """Wait until workers wait for work."""

    def there() -> bool:
        for worker in workers:
            assert worker.process.is_running(), worker.log.read_text()
        pools = server.ask("POST", "/work_pools/filter", {})
        if not any(pool["name"] == "reelcat" for pool in pools):
            return False
        found = server.ask("POST", "/work_pools/reelcat/workers/filter", {})
        online = {one["name"] for one in found if one["status"] == "ONLINE"}
        return online >= {worker.name for worker in workers}

    until(there, "the workers wait for work")


@contextlib.contextmanager
def _process(
    command: Path,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    cwd: Path,
    log: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [command, *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _healthy(server: PrefectServer, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, server.log.read_text()
    with contextlib.suppress(httpx.HTTPError):
        return server.ask("GET", "/health") is True
    return False


def until(condition, what: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition of another process; fail, naming it, when it does not come."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.3)
