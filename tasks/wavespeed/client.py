"""WaveSpeed as the catalog needs it: submit once, look, ask for money and history, upload.

Every method is one question to the API. What an answer means is decided in the readers next to this
file; when to ask is decided by whoever calls.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from catalog.errors import ProviderUnreadable
from catalog.values import (
    Accepted,
    AnalysisType,
    BillingRow,
    Completed,
    Gone,
    ListedPrediction,
    Pending,
    PollOutcome,
    ProviderQuote,
    RefusalKind,
    Refused,
    SubmitOutcome,
    Uncertain,
    UploadTicket,
    uptime,
)
from tasks.foundation.redaction import redact
from tasks.wavespeed.clock import ProviderClock
from tasks.wavespeed.connection import Connection, Limits
from tasks.wavespeed.errors import EndpointAbsent, RequestRejected, Troubled, UploadRefused
from tasks.wavespeed.exchange import Check, Withheld, described, never_connected, send
from tasks.wavespeed.money import collect_lines, read_balance, read_bill, read_price
from tasks.wavespeed.outcomes import AnswerElsewhere, created_at, read_poll, read_submit
from tasks.wavespeed.output_urls import look_behind
from tasks.wavespeed.paging import (
    history_query,
    pages_of_bill,
    pages_of_list,
    read_history,
    searches,
)
from tasks.wavespeed.uploads import Opening, PutOutcome, neutral_name, put_file, read_ticket
from tasks.wavespeed.wire import as_json, prediction_id

DEFAULT_BASE_URL = "https://api.wavespeed.ai"
DEFAULT_MODEL = "wavespeed-ai/molmo2/video-understanding"

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_VIDEO_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
#: The sandbox in this process reads files where they lie.
_FILE_OR_VIDEO_URL = re.compile(r"(?:https?|file)://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)


class WaveSpeed:
    """One account at the provider. Use as `async with WaveSpeed(...) as provider`.

    `files` also allows `file://` addresses, which only a sandbox in this process understands.

    Making one opens no connection; it raises `SettingsError` for a key or base URL that cannot be.
    With `transport` (the sandbox in this process) nothing leaves the process; proxies named in the
    environment are used only without one.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        now: Callable[[], datetime],
        uptime: Callable[[], float] = uptime,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen, so sharing it is safe
        files: bool = False,
    ) -> None:
        self._addresses = _FILE_OR_VIDEO_URL if files else _VIDEO_URL
        self._new_id = new_id
        self._limits = limits
        self._connection = Connection(
            base_url=base_url,
            api_key=api_key,
            limits=limits,
            now=now,
            uptime=uptime,
            sleep=sleep,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connection.aclose()

    @property
    def endpoint(self) -> str:
        """The base URL in its one spelling."""
        return self._connection.base

    @property
    def clock(self) -> ProviderClock:
        """The provider's time, as far as its answers have told it."""
        return self._connection.clock

    async def submit(
        self,
        *,
        model: str,
        video_url: str,
        task: AnalysisType,
        text: str | None,
        check: Check = send,
    ) -> SubmitOutcome:
        """Send exactly one POST and say what became of it; never raises for what the network does.

        `video_url` must be unique to this submission (`catalog.matching`), or a lost answer cannot
        be found again. `text` None or blank sends none. `check` may withhold it at the last
        moment, after any wait for other requests. When cancelled, the outcome is unknown, like
        `Uncertain`.
        """
        if not _MODEL.fullmatch(model):
            return Refused(
                kind=RefusalKind.ACCOUNT,
                reason=f"{model!r} is not a model's name like {DEFAULT_MODEL}. Nothing was sent.",
            )
        if not self._addresses.fullmatch(video_url):
            return Refused(
                kind=RefusalKind.PLACE, reason="The video has no http(s) address. Nothing was sent."
            )
        body = {"video": video_url, "task": AnalysisType(task).value}
        if text and text.strip():
            body["text"] = text
        asked = self.clock.instant()
        try:
            answer = await self._connection.ask(
                "POST",
                f"/api/v3/{model}",
                body,
                seconds=self._limits.submit_read_seconds,
                check=check,
            )
        except Withheld as error:
            return error.refusal
        except (httpx.HTTPError, OSError) as error:
            if never_connected(error):
                return Refused(
                    kind=RefusalKind.NOT_SENT,
                    reason=f"No connection to the provider was made ({described(error)}).",
                )
            return Uncertain(reason=f"The provider's answer was lost ({described(error)}).")
        outcome = read_submit(answer, now=self.clock())
        if isinstance(outcome, Accepted) and "date" not in answer.headers:
            # A gateway takes the header away; an accepted prediction tells the time.
            began = created_at(answer)
            if began is not None:
                self.clock.saw(began, asked=asked)
        return outcome

    async def poll(self, provider_id: str) -> PollOutcome:
        """Look once at one prediction; never raises for what the network does.

        An answer that is nothing but a URL is fetched, without the key. If there is no text behind
        it, the URL without its query is the answer. Raises `AccountStopped` for a refused key.
        """
        if prediction_id(provider_id) is None:
            return Gone()
        try:
            answer = await self._connection.ask(
                "GET",
                f"/api/v3/predictions/{provider_id}/result",
                seconds=self._limits.read_seconds,
            )
        except (httpx.HTTPError, OSError) as error:
            return Pending(trouble=described(error))
        outcome = read_poll(answer, provider_id=provider_id, now=self.clock())
        if isinstance(outcome, AnswerElsewhere):
            return await self._fetch_answer(outcome.url)
        return outcome

    async def balance(self) -> int | None:
        """The account's balance in micro-dollars; None where the provider tells none.

        Raises `AccountStopped` for a refused key, `ProviderUnreadable` when no try got an answer.
        """
        try:
            return read_balance(await self._connection.read("GET", "/api/v3/balance"))
        except EndpointAbsent:
            return None

    async def quote(self, *, model: str, inputs: Mapping[str, Any]) -> ProviderQuote | None:
        """What the provider says this would cost; None where it quotes none.

        Without a reachable `video` among the inputs the provider quotes its lowest price. Raises as
        `balance` does.
        """
        body = {"model_id": model, "inputs": dict(inputs)}
        try:
            return read_price(await self._connection.read("POST", "/api/v3/model/price", body))
        except (EndpointAbsent, RequestRejected):
            return None

    async def list_predictions(
        self,
        *,
        model: str | None,
        created_after: datetime,
        created_before: datetime,
        include_inputs: bool = True,
    ) -> AsyncGenerator[ListedPrediction]:
        """The account's predictions of a time span, rounded outwards to seconds, newest first.

        Whoever made them, and each once. Ends only when the whole list was read: raises
        `ProviderUnreadable` or `AccountStopped` otherwise, maybe after many rows.
        """
        body = history_query(
            model=model,
            created_after=created_after,
            created_before=created_before,
            include_inputs=include_inputs,
        )
        pages = pages_of_list()
        unreadable = 0
        while not pages.is_whole:
            envelope = await self._connection.read(
                "POST", "/api/v3/predictions", body | pages.question
            )
            page = read_history(envelope)
            if page is None:
                raise ProviderUnreadable(
                    "The provider's list of predictions makes no sense. Try again later."
                )
            unseen = pages.take([listed.provider_id for listed in page.predictions], page.end)
            for listed in page.predictions:
                if listed.provider_id in unseen:
                    unseen.discard(listed.provider_id)
                    yield listed
            unreadable += page.unreadable
        if unreadable:
            raise ProviderUnreadable(
                f"{unreadable} rows of the provider's list of predictions cannot be read, so that "
                "any prediction may be among them. Try again later."
            )

    async def billings(self, provider_ids: Sequence[str]) -> list[BillingRow]:
        """All lines of the bill for these predictions, each once, and those that name none.

        Lines that cannot be read are among them. A prediction without a line in the answer has
        none: raises `ProviderUnreadable` (`EndpointAbsent` where the provider has no bill) rather
        than return a part.
        """
        found: list[BillingRow] = []
        for batch in searches(provider_ids):
            found.extend(await self._bill_of(batch))
        return found

    async def ticket(self, *, filename: str, size: int, content_type: str | None) -> UploadTicket:
        """Permission to upload one file; of `filename` only the suffix is sent.

        Raises `UploadRefused`, or `AccountStopped`.
        """
        body: dict[str, Any] = {
            "filename": neutral_name(filename, unique=self._new_id()),
            "size": size,
        }
        if content_type:
            body["content_type"] = content_type
        try:
            envelope = await self._connection.read("POST", "/api/v3/media/uploads", body)
        except EndpointAbsent as error:
            raise UploadRefused(str(error), kind=RefusalKind.ACCOUNT) from error
        except RequestRejected as error:
            raise UploadRefused(str(error), kind=error.kind) from error
        except ProviderUnreadable as error:
            raise UploadRefused(str(error), kind=RefusalKind.NOT_SENT) from error
        link = self._connection
        return read_ticket(envelope, size=size, base=link.base, rule=link.hosts)

    async def put(self, ticket: UploadTicket, source: Path | Opening, *, size: int) -> PutOutcome:
        """Upload the file of exactly `size` bytes; network and disk make outcomes, not errors."""
        async with self._connection.upload_gate:
            return await put_file(
                self._connection.keyless,
                ticket,
                source,
                size=size,
                timeout=httpx.Timeout(
                    self._limits.upload_seconds, connect=self._limits.connect_seconds, pool=None
                ),
                bandwidth=self._connection.bandwidth,
            )

    async def _fetch_answer(self, url: str) -> PollOutcome:
        link = self._connection
        try:
            text = await look_behind(link.keyless, url, rule=link.hosts)
        except Troubled as trouble:
            return Pending(trouble=trouble.reason, retry_after_seconds=trouble.retry_after_seconds)
        shown = redact(url)
        return Completed(text=shown if text is None else text, raw=as_json([shown]))

    async def _bill_of(self, provider_ids: Sequence[str]) -> list[BillingRow]:
        wanted = {*provider_ids, None}
        found: dict[str, BillingRow] = {}
        pages = pages_of_bill()
        while not pages.is_whole:
            envelope = await self._connection.read(
                "POST",
                "/api/v3/billings/search",
                {**pages.question, "prediction_uuids": provider_ids},
            )
            page = read_bill(envelope)
            if page is None:
                raise ProviderUnreadable("The provider's bill makes no sense. Try again later.")
            pages.take(collect_lines(found, page.lines), page.end)
        return [line for line in found.values() if line.provider_id in wanted]
