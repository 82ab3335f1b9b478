"""What a page of the account's history says.

The history holds everything of the account: other keys' predictions and those made on the
provider's site too. So nothing here is ours until somebody has matched it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.values import ListedPrediction
from tasks.wavespeed.paging import PageEnd, read_end
from tasks.wavespeed.wire import Envelope, Text, page_rows, prediction_id, read_time


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Text = None
    status: Text = None
    created_at: Any = None
    #: The provider's clients know both spellings; neither is documented.
    inputs: Any = None
    input: Any = None


def history_query(
    *,
    model: str | None,
    created_after: datetime,
    created_before: datetime,
    include_inputs: bool,
) -> dict[str, Any]:
    """The question for a time span, rounded outwards to seconds; a model of None is any."""
    last = created_before + timedelta(microseconds=999_999)
    query: dict[str, Any] = {
        "created_after": _rfc3339(created_after.replace(microsecond=0)),
        "created_before": _rfc3339(last.replace(microsecond=0)),
    }
    if model is not None:
        query["model"] = model
    if include_inputs:
        query["include_inputs"] = True
    return query


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """One page of the account's history."""

    predictions: tuple[ListedPrediction, ...]
    end: PageEnd

    @property
    def unreadable(self) -> int:
        """How many rows name no prediction: any prediction may be among them."""
        return self.end.rows - len(self.predictions)


def read_history(envelope: Envelope) -> HistoryPage | None:
    """The page, newest first, without rows that have no usable id; None if it is no page."""
    items = page_rows(envelope)
    if items is None:
        return None
    listed = (_listed(item) for item in items if isinstance(item, dict))
    return HistoryPage(
        predictions=tuple(prediction for prediction in listed if prediction is not None),
        end=read_end(envelope, rows=len(items)),
    )


def _listed(item: dict[str, Any]) -> ListedPrediction | None:
    row = _Row.model_validate(item)
    provider_id = prediction_id(row.id)
    if provider_id is None:
        return None
    inputs = row.inputs if isinstance(row.inputs, dict) else row.input
    video = inputs.get("video") if isinstance(inputs, dict) else None
    return ListedPrediction(
        provider_id=provider_id,
        status=(row.status or "").strip().lower(),
        created_at=read_time(row.created_at),
        video_url=video if isinstance(video, str) and video else None,
    )
