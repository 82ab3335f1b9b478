"""The model's work: describing videos in threads, no more at once than there are processors."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from catalog.errors import ReelcatError
from catalog.pricing import OFFLINE
from tasks.sandbox import predictions
from tasks.sandbox.fetching import Footage, Footages, Unreachable
from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.predictions import End, Prediction, Status

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
