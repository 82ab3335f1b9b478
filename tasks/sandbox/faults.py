"""Every way in which the sandbox can misbehave, by name, and which strikes when.

A fault belongs to one stage: the moment at which it is drawn. `Fault.X.stage` and
`Fault.X.sentence` say when and what; `reelcat sandbox --faults` lists them. They are drawn by rates
under a seed, by a script, or both. What they do to an answer is in `fault_responses`, and at the
place that each stage names.
"""

from __future__ import annotations

import enum
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from catalog.errors import SettingsError


class Stage(enum.StrEnum):
    """When a fault is drawn. At most one fault of each stage strikes at a time."""

    #: Which moment that is, in words.
    moment: str

    def __new__(cls, name: str, moment: str = "") -> Self:
        """Make the member `name`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.moment = member.__doc__ = moment
        return member

    SUBMIT = "submit", "each authorised submission"
    TASK = "task", "each accepted prediction: how it goes and what it puts out"
    CHARGE = "charge", "each accepted prediction: what is deducted"
    REFUND = "refund", "each prediction that ends with a refund due"
    HISTORY = "history", "each accepted prediction: what else enters the history"
    POLL = "poll", "each poll"
    LIST = "list", "each page of the history"
    BILLING = "billing", "each page of the bill"
    BALANCE = "balance", "each look at the balance"
    PRICE = "price", "each quote"
    TICKET = "ticket", "each request for an upload ticket"
    PUT = "put", "each PUT into the storage"
    MEDIA = "media", "each stored upload: what becomes of it"


class Fault(enum.StrEnum):
    """What can go wrong, each with one sentence that says what is seen."""

    stage: Stage
    sentence: str

    def __new__(cls, name: str, sentence: str = "") -> Self:
        """Make the member `name`; the word before its first dash says the stage."""
        member = str.__new__(cls, name)
        member._value_ = name
        kind = name.partition("-")[0]
        member.stage = Stage.TASK if kind == "output" else Stage(kind)
        member.sentence = member.__doc__ = sentence
        return member

    # Submissions refused: nothing is accepted, nothing is owed.
    SUBMIT_400 = "submit-400", "Refused with 400 and a message that names a field."
    SUBMIT_401 = "submit-401", "Refused with 401 although the key is right."
    SUBMIT_402 = "submit-402", "Refused with 402: insufficient credits."
    SUBMIT_400_CREDIT = "submit-400-credit", "Refused with 400 and code 1407: insufficient credits."
    SUBMIT_403_CREDIT = "submit-403-credit", "Refused with 403: insufficient credits."
    SUBMIT_403 = "submit-403", "Refused with 403 and an `error_code`: the key lacks the permission."
    SUBMIT_404 = "submit-404", "Refused with 404: model not found."
    SUBMIT_413 = "submit-413", "Refused with 413: too large."
    SUBMIT_429 = "submit-429", "Refused with 429, without Retry-After."
    SUBMIT_429_SECONDS = "submit-429-seconds", "Refused with 429 and Retry-After in seconds."
    SUBMIT_429_DATE = "submit-429-date", "Refused with 429 and Retry-After as an HTTP date."
    SUBMIT_503 = "submit-503", "Refused with 503 before anything is accepted."
    SUBMIT_CREDIT_RUNS_OUT = (
        "submit-credit-runs-out",
        "The balance drops to nothing just before this submission, and stays there.",
    )

    # Submissions whose outcome cannot be told, where nothing was accepted.
    SUBMIT_DROPPED_RESET = "submit-dropped-reset", "The connection is reset before acceptance."
    SUBMIT_DROPPED_STALL = "submit-dropped-stall", "No answer comes, and nothing is accepted."
    SUBMIT_DROPPED_500 = "submit-dropped-500", "Answered 500, and nothing is accepted."
    SUBMIT_DROPPED_502 = "submit-dropped-502", "Answered 502 with HTML, and nothing is accepted."
    SUBMIT_DROPPED_504 = "submit-dropped-504", "Answered 504 with HTML, and nothing is accepted."
    SUBMIT_DROPPED_403 = (
        "submit-dropped-403",
        "A gateway answers 403 with HTML, and nothing is accepted.",
    )
    SUBMIT_DROPPED_429 = (
        "submit-dropped-429",
        "A gateway answers 429 with JSON of its own, and nothing is accepted.",
    )
    SUBMIT_DROPPED_503 = (
        "submit-dropped-503",
        "A gateway answers 503 with HTML, and nothing is accepted.",
    )
    SUBMIT_DROPPED_CODE_5003 = (
        "submit-dropped-code-5003",
        "Answered 200 with envelope code 5003, and nothing is accepted.",
    )
    SUBMIT_DROPPED_401 = "submit-dropped-401", "A gateway answers 401, and nothing is accepted."

    # Submissions that were accepted and are billed, but whose answer is lost.
    SUBMIT_LOST_RESET = "submit-lost-reset", "Accepted, then the connection is reset."
    SUBMIT_LOST_STALL = "submit-lost-stall", "Accepted, but no answer comes."
    SUBMIT_LOST_500 = "submit-lost-500", "Accepted, but answered 500."
    SUBMIT_LOST_502 = "submit-lost-502", "Accepted, but answered 502 with HTML."
    SUBMIT_LOST_504 = "submit-lost-504", "Accepted, but answered 504 with HTML."
    SUBMIT_LOST_400 = "submit-lost-400", "Accepted, but a gateway answers 400 with HTML."
    SUBMIT_LOST_401 = "submit-lost-401", "Accepted, but a gateway answers 401 with JSON of its own."
    SUBMIT_LOST_402 = "submit-lost-402", "Accepted, but a gateway answers 402 without a body."
    SUBMIT_LOST_403 = "submit-lost-403", "Accepted, but a gateway answers 403 with HTML."
    SUBMIT_LOST_404 = "submit-lost-404", "Accepted, but a gateway answers 404 with HTML."
    SUBMIT_LOST_413 = "submit-lost-413", "Accepted, but a gateway answers 413 with HTML."
    SUBMIT_LOST_429 = "submit-lost-429", "Accepted, but a gateway answers 429 with JSON of its own."
    SUBMIT_LOST_503 = "submit-lost-503", "Accepted, but a gateway answers 503 without a body."
    SUBMIT_LOST_CUT_BODY = (
        "submit-lost-cut-body",
        "Accepted, but the connection closes in the middle of the answer.",
    )
    SUBMIT_LOST_CUT_JSON = "submit-lost-cut-json", "Accepted, but the answer is half a JSON text."
    SUBMIT_LOST_HTML = "submit-lost-html", "Accepted, but answered 200 with HTML."
    SUBMIT_LOST_EMPTY = "submit-lost-empty", "Accepted, but answered 200 without a body."
    SUBMIT_LOST_DATA_NULL = "submit-lost-data-null", "Accepted, but answered 200 with `data: null`."
    SUBMIT_LOST_NO_ID = "submit-lost-no-id", "Accepted, but the answer holds no id."
    SUBMIT_LOST_OTHER_ID = (
        "submit-lost-other-id",
        "Accepted, but answered with the id of the first prediction.",
    )
    SUBMIT_LOST_503_JSON = (
        "submit-lost-503-json",
        "Accepted, but a gateway answers 503 with JSON of its own.",
    )
    SUBMIT_LOST_503_DATA = (
        "submit-lost-503-data",
        "Accepted and answered rightly, but under the status 503.",
    )

    # Submissions answered in ways that are rare and right.
    SUBMIT_PROCESSING = "submit-processing", "Accepted, and the answer already says `processing`."
    SUBMIT_COMPLETED = (
        "submit-completed",
        "Accepted, and the answer is already `completed` with its outputs.",
    )

    # How a prediction goes.
    TASK_NEVER_STARTS = "task-never-starts", "Stays `created` for ever."
    TASK_NEVER_ENDS = "task-never-ends", "Stays `processing` for ever."
    TASK_UNKNOWN_STATUS = "task-unknown-status", "Stays in a status that nobody has heard of."
    TASK_SLOW = "task-slow", "Takes ten times as long."
    TASK_PENDING = "task-pending", "Says `pending`, the old word, instead of `created`."
    TASK_UNSEEN = "task-unseen", "Its first two polls are answered 404."
    TASK_CANCELLED = "task-cancelled", "Ends `cancelled`."
    TASK_TIMEOUT = "task-timeout", "Ends `timeout`."
    TASK_DELETED = "task-deleted", "Ends `deleted`."
    TASK_FAILED_1200 = "task-failed-1200", "Fails with code 1200: content moderation."
    TASK_FAILED_1400 = "task-failed-1400", "Fails with code 1400: missing parameter."
    TASK_FAILED_1401 = "task-failed-1401", "Fails with code 1401: invalid parameter."
    TASK_FAILED_1402 = "task-failed-1402", "Fails with code 1402: media access failed."
    TASK_FAILED_1403 = "task-failed-1403", "Fails with code 1403: task execution failed."
    TASK_FAILED_1405 = "task-failed-1405", "Fails with code 1405: task failed."
    TASK_FAILED_1406 = "task-failed-1406", "Fails with code 1406, whose meaning is unknown."
    TASK_FAILED_1407 = "task-failed-1407", "Fails with code 1407, whose meaning is unknown."
    TASK_FAILED_5000 = "task-failed-5000", "Fails with code 5000: internal error."
    TASK_FAILED_5003 = "task-failed-5003", "Fails with code 5003: unavailable."
    TASK_FAILED_5004 = "task-failed-5004", "Fails with code 5004: timeout."

    # What a completed prediction puts out.
    OUTPUT_EMPTY_LIST = "output-empty-list", "Completes with `outputs: []`."
    OUTPUT_NULL = "output-null", "Completes with `outputs: null`."
    OUTPUT_EMPTY_TEXT = "output-empty-text", "Completes with an empty text."
    OUTPUT_WHITESPACE = "output-whitespace", "Completes with a text of white space."
    OUTPUT_VERY_LONG = "output-very-long", "Completes with a text of more than 200,000 characters."
    OUTPUT_NON_ASCII = "output-non-ascii", "Completes with a text in several scripts, with emoji."
    OUTPUT_FENCED_JSON = "output-fenced-json", "Completes with JSON inside a Markdown fence."
    OUTPUT_CUT_JSON = "output-cut-json", "Completes with a JSON text that stops in the middle."
    OUTPUT_REFUSAL = "output-refusal", "Completes with a sentence that refuses to answer."
    OUTPUT_URL = "output-url", "Completes with an address under which the text lies."
    OUTPUT_OBJECT = "output-object", "Completes with one object that has a `text`."
    OUTPUT_BARE_OBJECT = (
        "output-bare-object",
        "Completes with `outputs` being an object instead of a list.",
    )
    OUTPUT_SEVERAL = "output-several", "Completes with two texts."

    # Money.
    CHARGE_DISCOUNTED = "charge-discounted", "Half the quoted price is deducted."
    CHARGE_PER_SECOND = (
        "charge-per-second",
        "Each started second is deducted instead of each started five.",
    )
    CHARGE_MORE = "charge-more", "Five seconds more than quoted are deducted."
    CHARGE_15_DOLLARS = "charge-15-dollars", "Fifteen dollars are deducted."
    CHARGE_NONE = "charge-none", "Nothing is deducted, and billing has no row."
    REFUND_LATE = "refund-late", "The refund comes after three hours."
    REFUND_NEVER = "refund-never", "The refund never comes."
    BILLING_MICROS = "billing-micros", "Prices are integer micro-dollars instead of dollars."
    BILLING_EMPTY = "billing-empty", "No rows are answered although there are some."
    BILLING_SHORT_PAGE = (
        "billing-short-page",
        "A page holds two rows at most, whatever was asked for; the next goes on after them.",
    )
    BILLING_WORDS = "billing-words", "Prices are words."
    BILLING_NAMELESS = "billing-nameless", "Rows name no prediction."
    BILLING_SURCHARGE = "billing-surcharge", "Every deduction comes with a surcharge of 5 cents."
    BILLING_EXCESS = "billing-excess", "Every deduction comes with a refund of a dollar."
    BILLING_SMALL_PAGES = (
        "billing-small-pages",
        "Pages hold two rows however many are asked for, and say nothing of others.",
    )
    BILLING_SHORT = "billing-short", "The last row is missing, but not from the total."
    BILLING_429 = "billing-429", "Answered 429."
    BILLING_500 = "billing-500", "Answered 500."
    BALANCE_404 = "balance-404", "Answered 404, as if there were no such address."
    BALANCE_500 = "balance-500", "Answered 500."
    PRICE_404 = "price-404", "Answered 404, as if there were no such address."
    PRICE_400 = "price-400", "Answered 400."
    PRICE_DOUBLED = "price-doubled", "Twice the price is quoted."

    # Polls.
    POLL_429 = "poll-429", "Answered 429, without Retry-After."
    POLL_429_SECONDS = "poll-429-seconds", "Answered 429 with Retry-After in seconds."
    POLL_500 = "poll-500", "Answered 500."
    POLL_502 = "poll-502", "Answered 502 with HTML."
    POLL_503 = "poll-503", "Answered 503."
    POLL_504 = "poll-504", "Answered 504 with HTML."
    POLL_RESET = "poll-reset", "The connection is reset."
    POLL_STALL = "poll-stall", "No answer comes."
    POLL_SLOW_BODY = "poll-slow-body", "The answer comes in small pieces over two seconds."
    POLL_CUT_BODY = "poll-cut-body", "The connection closes in the middle of the answer."
    POLL_CUT_JSON = "poll-cut-json", "The answer is half a JSON text."
    POLL_TOO_LONG = "poll-too-long", "Answered 200 with more than anybody reads."
    POLL_HTML = "poll-html", "Answered 200 with HTML."
    POLL_EMPTY = "poll-empty", "Answered 200 without a body."
    POLL_CODE_5003 = "poll-code-5003", "Answered 200 with envelope code 5003."
    POLL_DATA_NULL = "poll-data-null", "Answered 200 with `data: null`."
    POLL_404 = "poll-404", "Answered 404."
    POLL_UNKNOWN_STATUS = (
        "poll-unknown-status",
        "This one answer says a status that nobody has heard of.",
    )
    POLL_SYNC_TIMEOUT = (
        "poll-sync-timeout",
        "This one answer says `processing` with the inner code 5004.",
    )

    # The account's history.
    HISTORY_FOREIGN_ROWS = (
        "history-foreign-rows",
        "Somebody else's run of the same model enters the history just after this one.",
    )
    HISTORY_LATE = "history-late", "This one is not listed for 90 seconds."
    LIST_WITHOUT_INPUTS = "list-without-inputs", "Rows do not echo their inputs although asked to."
    LIST_INPUT_SINGULAR = (
        "list-input-singular",
        "Rows echo their inputs under `input` instead of `inputs`.",
    )
    LIST_LAG = "list-lag", "What was accepted in the last minute is not listed yet."
    LIST_LONG_LAG = "list-long-lag", "What was accepted in the last 90 seconds is not listed yet."
    LIST_EMPTY = "list-empty", "The first page is empty, as if nothing had ever been accepted."
    LIST_ONLY_STRANGERS = (
        "list-only-strangers",
        "Only other people's rows are listed, as if the filter were for another workspace.",
    )
    LIST_SHORT_PAGE = (
        "list-short-page",
        "A page holds two rows at most, whatever was asked for; the next goes on after them.",
    )
    LIST_ROWS_SHIFT = (
        "list-rows-shift",
        "Somebody else's run enters on top just before the answer, so that all rows move down.",
    )
    LIST_DUPLICATE_ROW = (
        "list-duplicate-row",
        "The page starts with a row that was on a page before.",
    )
    LIST_SMALL_PAGES = (
        "list-small-pages",
        "Pages hold two rows however many are asked for, and say nothing of others.",
    )
    LIST_SHORT = "list-short", "The last row is missing, but not from the total."
    LIST_DATA_NULL = "list-data-null", "Answered 200 with `data: null`."
    LIST_429 = "list-429", "Answered 429."
    LIST_500 = "list-500", "Answered 500."
    LIST_RESET = "list-reset", "The connection is reset."

    # Uploads.
    TICKET_429 = "ticket-429", "Answered 429: upload quota exceeded."
    TICKET_413 = "ticket-413", "Answered 413: too large."
    TICKET_500 = "ticket-500", "Answered 500."
    TICKET_RESET = "ticket-reset", "The connection is reset."
    TICKET_EXPIRED = "ticket-expired", "The ticket has expired when it is given out."
    PUT_403 = "put-403", "Refused with 403: the signature has expired."
    PUT_412 = "put-412", "Refused with 412 as if the object were there, and nothing is stored."
    PUT_500 = "put-500", "Answered 500, and nothing is stored."
    PUT_RESET = "put-reset", "The connection is reset, and nothing is stored."
    PUT_LOST_RESET = (
        "put-lost-reset",
        "Stored, then the connection is reset: a repeated PUT meets 412.",
    )
    PUT_LOST_STALL = "put-lost-stall", "Stored, but no answer comes: a repeated PUT meets 412."
    MEDIA_GONE = "media-gone", "Stored and confirmed, but its download address is 404 afterwards."


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """One fault at a chosen place: "the third submission", "every poll of that video"."""

    fault: Fault
    #: The first event of the fault's stage that it strikes, counted from 1.
    first: int = 1
    #: How many it strikes from there; None for all.
    times: int | None = 1
    #: Count and strike only events about this text: part of the address or body of a request, or
    #: of a prediction's video, task and instructions.
    about: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """What shall go wrong. The default is nothing."""

    #: How likely each fault is at each event of its stage, 0 to 1.
    rates: Mapping[Fault, float] = field(default_factory=dict)
    #: Goes before the rates.
    script: tuple[Scripted, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        totals: defaultdict[Stage, float] = defaultdict(float)
        for fault, rate in self.rates.items():
            if not 0 <= rate <= 1:
                message = f"The rate of the fault {fault} is {rate}; it takes a number from 0 to 1."
                raise SettingsError(message)
            totals[fault.stage] += rate
        for stage, total in totals.items():
            if total > 1 + 1e-9:
                message = f"The fault rates of stage {stage} add up to {total}; lower them to 1."
                raise SettingsError(message)


class FaultDraw:
    """Draws the faults of one plan, event by event."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._seen = [0] * len(plan.script)
        self._stages = {fault.stage for fault in plan.rates} | {s.fault.stage for s in plan.script}
        self._looks_inside = {s.fault.stage for s in plan.script if s.about is not None}
        # Each stage has its own stream, so that polls do not disturb which submission is struck.
        self._random = {
            stage: random.Random(f"{plan.seed}:{stage}")  # noqa: S311 - a repeatable plan, no secret
            for stage in self._stages
        }
        self.struck: Counter[Fault] = Counter()

    def wants_text(self, stage: Stage) -> bool:
        """Say whether `draw` needs to know what the event is about."""
        return stage in self._looks_inside

    def draw(self, stage: Stage, about: str = "") -> Fault | None:
        """Give the fault that strikes this event, or None; the event is counted."""
        if stage not in self._stages:
            return None
        fault = self._scripted(stage, about) or self._by_rate(stage)
        if fault is not None:
            self.struck[fault] += 1
        return fault

    def _scripted(self, stage: Stage, about: str) -> Fault | None:
        found = None
        for index, line in enumerate(self.plan.script):
            if line.fault.stage is not stage or (
                line.about is not None and line.about not in about
            ):
                continue
            self._seen[index] += 1
            place = self._seen[index] - line.first
            if found is None and place >= 0 and (line.times is None or place < line.times):
                found = line.fault
        return found

    def _by_rate(self, stage: Stage) -> Fault | None:
        roll = self._random[stage].random()
        for fault, rate in self.plan.rates.items():
            if fault.stage is stage:
                roll -= rate
                if roll < 0:
                    return fault
        return None
