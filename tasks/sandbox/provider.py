"""What all addresses of the sandbox share, and the work on its predictions.

A prediction's video is fetched, measured and described once for all its tasks. Lives on one event
loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from catalog.errors import ReelcatError, SettingsError
from catalog.pricing import OFFLINE
from catalog.values import Clock
from tasks.sandbox import predictions
from tasks.sandbox.account import Account, Submission
from tasks.sandbox.faults import Fault, FaultDraw, FaultPlan, Stage
from tasks.sandbox.fetching import Footage, Footages, Measure, Unreachable
from tasks.sandbox.history import PollCounts
from tasks.sandbox.journal import Journal
from tasks.sandbox.options import CreditRefusal, Mode, SandboxOptions
from tasks.sandbox.predictions import OPEN, End, Prediction, Status
from tasks.sandbox.storage import Storage, identity
from tasks.sandbox.wire import Refusal, moment, nanoseconds, span

#: Describes the video at a path for a task and instructions.
Model = Callable[[str, str, str | None], str]
Done = Callable[[Prediction, End], None]

logger = logging.getLogger(__name__)


class Work:
    """Works on predictions and says when each is done."""

    def __init__(
        self, options: SandboxOptions, *, model: Model | None, footages: Footages, done: Done
    ) -> None:
        self._options = options
        self._model = model
        self._footages = footages
        self._done = done
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "sandbox-model")

    def at_once(self, prediction: Prediction) -> End | None:
        """Give a result that needs no work; None if there is work to do."""
        if prediction.result is not None:
            return prediction.result
        if self._options.mode is not Mode.CANNED:
            return None
        asked = f" ({prediction.text})" if prediction.text else ""
        text = f"A canned {prediction.task} of {prediction.identity}{asked}"
        return End(status=Status.COMPLETED, text=self._labelled(prediction, text))

    def start(self, prediction: Prediction, footage: Footage | None) -> None:
        """Begin to work on a prediction; without footage it is fetched again first."""
        if footage is not None:
            self._footages.hold(footage)
        task = asyncio.create_task(self._describe(prediction, footage))
        self._tasks[prediction.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(prediction.id, None))

    async def finish(self, prediction: Prediction) -> None:
        """Wait until a prediction's work is done."""
        task = self._tasks.get(prediction.id)
        if task is not None:
            await asyncio.shield(task)

    def close(self) -> None:
        """Stop; what was not done is begun again after a restart with a state file."""
        for task in self._tasks.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _describe(self, prediction: Prediction, footage: Footage | None) -> None:
        try:
            if footage is None:
                footage = await self._footages.look(prediction.video)
                self._footages.hold(footage)
        except Unreachable as error:
            self._done(prediction, predictions.unreachable(str(error)))
            return
        try:
            self._done(prediction, await self._described(prediction, footage))
        finally:
            self._footages.release(footage)

    async def _described(self, prediction: Prediction, footage: Footage) -> End:
        if self._model is None or footage.path is None or footage.duration_seconds is None:
            return predictions.unreadable("The video cannot be measured.")
        loop = asyncio.get_running_loop()
        ask = (self._model, footage, prediction.task, prediction.text)
        try:  # whatever the model does wrong, it is its task that has failed
            text = await loop.run_in_executor(self._threads, _ask, *ask)
        except Exception as error:
            logger.info("The model failed on prediction %s", prediction.id, exc_info=error)
            told = isinstance(error, ReelcatError)
            said = str(error) if told else f"The model failed ({type(error).__name__})."
            return predictions.unreadable(said)
        return End(status=Status.COMPLETED, text=self._labelled(prediction, text))

    def _labelled(self, prediction: Prediction, text: str) -> str:
        return text if prediction.model == OFFLINE else self._options.answer_prefix + text


def _ask(model: Model, footage: Footage, task: str, instructions: str | None) -> str:
    with footage.opened() as path:
        return model(path or "", task, instructions)


_CREDIT = {
    CreditRefusal.PAYMENT_REQUIRED: (402, 402),
    CreditRefusal.BAD_REQUEST: (400, 1407),
    CreditRefusal.FORBIDDEN: (403, 403),
}


class Sandbox:
    """Everything behind the addresses. Lives on one event loop."""

    def __init__(
        self,
        options: SandboxOptions,
        *,
        model: Model | None,
        measure_duration: Measure | None,
        clock: Clock,
    ) -> None:
        if options.mode is Mode.VIDEO and (model is None or measure_duration is None):
            raise SettingsError("A sandbox needs a model and a measure; or run it canned.")
        self.options = options
        self.counts = PollCounts()
        self.faults = FaultDraw(options.faults)
        self._clock = clock
        self._ahead_ns = span(options.clock_skew_seconds)
        self._journal = Journal(options.state)
        self.storage = Storage(options, self._journal)
        self.account = Account(options, journal=self._journal, draw=self.draw)
        self.footages = Footages(
            options, storage=self.storage, measure=measure_duration, now=self.now
        )
        self.work = Work(options, model=model, footages=self.footages, done=self._work_done)
        self._unbegun = self._restore()

    def now(self) -> int:
        """Say what time it is here, in nanoseconds, once all that was due has happened."""
        now_ns = self._read_clock()
        self.account.advance(now_ns)
        return now_ns

    def date(self) -> datetime:
        """Say what time it is here, and let nothing happen."""
        return moment(self._read_clock())

    def jump(self, seconds: float) -> None:
        """Put the sandbox's clock ahead."""
        self._ahead_ns += span(seconds)

    def turn(self, seconds: float) -> None:
        """Turn the sandbox's clock forwards or backwards, while no time passes."""
        self._ahead_ns += span(seconds)
        self.account.turn(span(seconds))

    def plan_faults(self, plan: FaultPlan) -> None:
        """Go on with another plan; events are counted afresh."""
        struck = self.faults.struck
        self.faults = FaultDraw(plan)
        self.faults.struck = struck

    def draw(self, stage: Stage, about: str) -> Fault | None:
        """Draw from the plan that is in force."""
        return self.faults.draw(stage, about)

    def wake(self) -> None:
        """Begin what a restart left undone; needs a running event loop."""
        while self._unbegun:
            self.work.start(self._unbegun.pop(), None)

    async def submit(self, submission: Submission, fault: Fault | None) -> Prediction:
        """Accept a submission.

        Raises:
            Refusal: it is not accepted.
        """
        if fault is Fault.SUBMIT_CREDIT_RUNS_OUT:
            self.account.books.balance_micros = 0
        self._check_pace()
        footage: Footage | None
        failure: End | None = None
        try:
            footage = await self.footages.look(submission.video)
        except Unreachable as error:
            footage, failure = None, predictions.unreachable(str(error))
        # Looking took a while; all that follows happens at one moment.
        now_ns = self._check_pace()
        duration = None if footage is None else footage.duration_seconds
        price = self.account.charge_for(submission, duration)
        self._check_credit(price.micros)
        prediction = self.account.draft(
            submission,
            identity=identity(submission.video) if footage is None else footage.identity,
            duration=duration,
            price=price,
        )
        if fault is Fault.SUBMIT_COMPLETED:
            prediction.latency_ns = 0
        prediction.result = prediction.result or failure
        prediction.result = self.work.at_once(prediction)
        self.account.accept(prediction, now_ns)
        if prediction.result is None:
            self.work.start(prediction, footage)
        return prediction

    def close(self) -> None:
        """Let go of threads and files."""
        self.work.close()
        self.footages.close()
        self.storage.close()
        self._journal.close()

    def _read_clock(self) -> int:
        return nanoseconds(self._clock()) + self._ahead_ns

    def _check_pace(self) -> int:
        now_ns = self.now()
        if not self.account.gate.is_open(now_ns):
            raise Refusal(429, "too many requests, slow down", reason="rate")
        return now_ns

    def _check_credit(self, price_micros: int) -> None:
        if price_micros > max(self.account.books.balance_micros, 0):
            status, code = _CREDIT[self.options.credit_refusal]
            message = "insufficient credits, please top up"
            raise Refusal(status, message, reason="credit", code=code)

    def _work_done(self, prediction: Prediction, end: End) -> None:
        self.account.work_done(prediction, end, self.now())

    def _restore(self) -> list[Prediction]:
        accepted = []
        for event in self._journal.replay():
            if event["event"] in {"ticket", "upload"}:
                self.storage.restore(event)
            else:
                prediction = self.account.restore(event)
                if prediction is not None:
                    accepted.append(prediction)
        undone = [prediction for prediction in accepted if prediction.status in OPEN]
        for prediction in undone:
            prediction.result = self.work.at_once(prediction)
            self.account.readmit(prediction)
        return [prediction for prediction in undone if prediction.result is None]
