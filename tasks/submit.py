"""Submit: send one held prediction, once, and write down what became of it."""

from __future__ import annotations

from collections.abc import Callable

from catalog import predictions
from catalog.analyses import AnalysisSpec
from catalog.errors import ProviderIdTaken
from catalog.holding import Reservation
from catalog.matching import INTENT_LASTS
from catalog.predictions import Acceptance
from catalog.values import Accepted, RefusalKind, Refused, SubmitOutcome, Uncertain
from tasks.foundation.events import logger
from tasks.runtime.services import Services
from tasks.wavespeed.clock import Instant
from tasks.wavespeed.exchange import Withheld

_STOPPED = Refused(kind=RefusalKind.NOT_SENT, reason="The run was stopped before.")
_STALE = Refused(kind=RefusalKind.NOT_SENT, reason="This process slept; nothing was sent.")


async def submit(
    reservation: Reservation,
    video_url: str,
    spec: AnalysisSpec,
    services: Services,
    *,
    intended_at: Instant,
    is_halted: Callable[[], bool],
    saw: Callable[[SubmitOutcome], None],
) -> SubmitOutcome:
    """Send the POST of a durable intent and record its outcome before giving it.

    Never sends twice: whatever is not certainly accepted or certainly refused is uncertain. Nothing
    is sent once `is_halted`, or when the intent is older than `INTENT_LASTS` by either clock of
    this machine; that is asked last when the connection is there.
    `saw` is told of the provider's answer before it is written down, for that may let others start.
    """

    def check() -> None:
        if is_halted():
            raise Withheld(_STOPPED)
        _, age = services.provider.clock.instant().elapsed(intended_at)
        if age > INTENT_LASTS:
            raise Withheld(_STALE)

    job = reservation.job
    outcome = await services.provider.client.submit(
        model=spec.model,
        video_url=video_url,
        task=job.left.task,
        text=spec.instructions or None,
        check=check,
    )
    if outcome is not _STOPPED:
        saw(outcome)
    clock = services.provider.clock
    facts = {
        "prediction": reservation.prediction_id,
        "video": job.left.video_id,
        "task": job.left.task,
    }
    match outcome:
        case Accepted(provider_id=provider_id):
            logger.debug("prediction.accepted", provider_id=provider_id, **facts)
            accepted = Acceptance(
                prediction_id=reservation.prediction_id,
                provider_id=provider_id,
                now=clock.earliest(),
            )
            try:
                await services.write_all(predictions.accept, [accepted])
            except ProviderIdTaken as error:
                outcome = Uncertain(reason=str(error))
        case Refused():
            logger.debug("prediction.refused", reason=outcome.reason, **facts)
            await services.write(
                predictions.refuse,
                prediction_id=reservation.prediction_id,
                refusal=outcome,
                now=clock.earliest(),
            )
        case Uncertain():
            pass
    if isinstance(outcome, Uncertain):
        logger.warning("prediction.uncertain", reason=outcome.reason, **facts)
        await services.write(
            predictions.lose,
            prediction_id=reservation.prediction_id,
            reason=outcome.reason,
            now=clock.latest(),
        )
    return outcome
