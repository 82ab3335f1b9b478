"""Record: put what a prediction ended with into the catalog, with its money, at once."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.orm import Session

from catalog import predictions, uploads
from catalog.models import Analysis, Prediction
from catalog.predictions import Completion
from catalog.pricing import PriceList
from catalog.values import Completed, Ended, Failed, Gone
from tasks.foundation.events import logger
from tasks.runtime.services import Services

#: The provider could not fetch the video; what was uploaded for it is not to be trusted again.
MEDIA_ACCESS_FAILED = 1402

_WORDS = {Completed: "completed", Failed: "failed", Gone: "expired"}


async def record(
    prediction_id: int, ended: Ended, *, duration_seconds: Decimal | None, services: Services
) -> None:
    """Write down how a prediction ended; a second time changes nothing."""
    now = services.provider.clock()
    match ended:
        case Completed():
            completion = Completion(
                prediction_id=prediction_id,
                answer=ended,
                coverage=coverage(duration_seconds, services.provider.prices),
                now=now,
            )
            await services.write_all(predictions.complete, [completion])
        case Failed():
            await services.write(
                predictions.fail, prediction_id=prediction_id, failure=ended, now=now
            )
        case Gone():
            await services.write(predictions.expire, prediction_id=prediction_id, now=now)
    logger.debug(
        f"prediction.{_WORDS[type(ended)]}",
        prediction=prediction_id,
        reason=ended.reason if isinstance(ended, Failed) else None,
    )
    if isinstance(ended, Failed) and ended.code == MEDIA_ACCESS_FAILED:
        await services.write(_forget_upload, prediction_id=prediction_id)


def coverage(duration_seconds: Decimal | None, prices: PriceList) -> str | None:
    """Say what part of the video an answer covers, as far as is known; None for all of it."""
    if duration_seconds is None or duration_seconds <= prices.most_seconds:
        return None
    return f"at most {prices.most_seconds} s of {duration_seconds:.0f} s"


def _forget_upload(session: Session, prediction_id: int) -> None:
    prediction = session.get_one(Prediction, prediction_id)
    analysis = session.get_one(Analysis, prediction.analysis_id)
    uploads.forget(session, analysis.video_id, prediction.endpoint)
