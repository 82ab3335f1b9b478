"""A client at a desk of the sandbox: sends what the API takes, and says what came back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import httpx

from catalog.pricing import MOLMO2
from tasks.sandbox.app import create_app
from tasks.sandbox.faults import Fault, FaultPlan, Scripted
from tasks.sandbox.options import Mode, SandboxOptions

SUBMIT = f"/api/v3/{MOLMO2}"
VIDEO = "https://videos.example/a.mp4#d=10"
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class HandClock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def measure(path: str) -> Decimal | None:
    """Read a pretended video, a file that says `7.5 seconds`; None for any other."""
    with Path(path).open("rb") as file:
        number, _, unit = file.read(64).partition(b" ")
    return Decimal(number.decode()) if unit == b"seconds" else None


def describe(path: str, task: str, instructions: str | None) -> str:
    """Describe a pretended video."""
    with Path(path).open("rb") as file:
        return f"{task} of {file.read(64).decode()}, {instructions or 'no instructions'}"


class Desk:
    def __init__(self, client: httpx.AsyncClient, clock: HandClock, app=None) -> None:
        self.client = client
        self.clock = clock
        self.app = app

    async def submit(self, video=VIDEO, model=MOLMO2, **fields) -> httpx.Response:
        return await self.client.post(f"/api/v3/{model}", json={"video": video, **fields})

    async def accepted(self, video=VIDEO, **fields) -> str:
        answer = await self.submit(video, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["id"]

    async def poll(self, id_) -> httpx.Response:
        return await self.client.get(f"/api/v3/predictions/{id_}/result")

    async def polled(self, id_) -> dict:
        answer = await self.poll(id_)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def ended(self, id_) -> dict:
        """Poll until a prediction that needs real work is at its end."""
        with anyio.fail_after(30):
            while (data := await self.polled(id_))["status"] in {"created", "processing"}:  # noqa: ASYNC110 - the API has no more
                await anyio.sleep(0.005)
        return data

    async def list(self, **body) -> httpx.Response:
        return await self.client.post(
            "/api/v3/predictions", json={"page": 1, "page_size": 100, **body}
        )

    async def listed(self, **body) -> list[dict]:
        return (await self.list(**body)).json()["data"]["items"]

    async def bill(self, *ids, **body) -> list[dict]:
        asked = {"page": 1, "page_size": 100, **body}
        if ids:
            asked["prediction_uuids"] = list(ids)
        answer = await self.client.post("/api/v3/billings/search", json=asked)
        return answer.json()["data"]["items"]

    async def ticket(self, size, filename="a.mp4", content_type="video/mp4") -> httpx.Response:
        body = {"filename": filename, "size": size, "content_type": content_type}
        return await self.client.post("/api/v3/media/uploads", json=body)

    async def put(self, ticket, content, **headers) -> httpx.Response:
        sent = ticket["upload"]["headers"] | headers
        async with self.bare() as client:
            return await client.put(ticket["upload"]["url"], content=content, headers=sent)

    async def fetch(self, url, **headers) -> httpx.Response:
        async with self.bare() as client:
            return await client.get(url, headers=headers)

    async def uploaded(self, content) -> str:
        ticket = (await self.ticket(len(content))).json()["data"]
        answer = await self.put(ticket, content)
        assert answer.status_code == 200, answer.text
        return ticket["download_url"]

    async def audit(self) -> dict:
        return (await self.client.get("/audit")).json()

    def bare(self) -> httpx.AsyncClient:
        """A client without the key."""
        if self.app is None:
            return httpx.AsyncClient(trust_env=False)
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app))


def options(*script: Scripted | Fault, **values) -> SandboxOptions:
    """Canned and immediate, unless said otherwise; a bare fault strikes the first of its stage."""
    lines = tuple(s if isinstance(s, Scripted) else Scripted(fault=s) for s in script)
    defaults = {"mode": Mode.CANNED, "latency_scale": 0, "faults": FaultPlan(script=lines)}
    return SandboxOptions(**(defaults | values))


@asynccontextmanager
async def open_desk(chosen: SandboxOptions):
    """A desk of a sandbox in this process, at a clock that stands still."""
    clock = HandClock()
    app = create_app(chosen, model=describe, measure_duration=measure, clock=clock)
    key = {"Authorization": f"Bearer {chosen.api_key}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sandbox.test", headers=key
    ) as client:
        try:
            yield Desk(client, clock, app)
        finally:
            app.state.sandbox.close()
