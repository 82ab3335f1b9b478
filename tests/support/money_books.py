"""Three books held against each other: what the sandbox saw, the ledger's, and the catalog's.

Whatever happened to a run, none of the problems named here may be among what they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import ledger
from catalog.models import Analysis, Budget, Prediction, Video
from catalog.totals import Totals
from catalog.values import AnalysisStatus, PredictionStatus

#: What the sandbox calls the films of a world, by what the catalog calls them.
FILMS: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the three of them say at one moment. Money is micro-dollars."""

    audit: dict[str, Any]
    #: What the sandbox accepted, oldest first.
    accepted: list[dict[str, Any]]
    analyses: Counter[AnalysisStatus]
    predictions: list[Prediction]
    totals: Totals
    disagreements: list[str]
    problems: list[str]

    @property
    def statuses(self) -> Counter[PredictionStatus]:
        return Counter(one.status for one in self.predictions)

    @property
    def settled(self) -> bool:
        """Whether nothing is out, and the bill has confirmed everything that ended."""
        done = {PredictionStatus.RELEASED}
        return all(one.settled_at is not None or one.status in done for one in self.predictions)


def read_books(session: Session, audit: dict[str, Any], accepted: list[dict[str, Any]]) -> Books:
    """Read the catalog's, and hold them against what the sandbox says."""
    predictions = list(session.scalars(select(Prediction).order_by(Prediction.id)))
    totals = ledger.totals(session)
    disagreements = ledger.disagreements(session)
    statuses = list(session.scalars(select(Analysis.status)))
    return Books(
        audit=audit,
        accepted=accepted,
        analyses=Counter(statuses),
        predictions=predictions,
        totals=totals,
        disagreements=disagreements,
        problems=[
            *disagreements,
            *_wrong_counts(audit),
            *_over_limits(session),
            *_unknown_money(audit, accepted, predictions, totals),
            *_wrong_answers(session, accepted),
        ],
    )


def _wrong_counts(audit: dict[str, Any]) -> Iterable[str]:
    for name in ("duplicates", "unread_at_expiry", "key_leaks"):
        if audit[name]:
            yield f"{name}: {audit[name]}"


def _over_limits(session: Session) -> Iterable[str]:
    for one in session.scalars(select(Budget)):
        if one.limit_micros is not None and one.committed_micros > one.limit_micros:
            yield f"{one.scope}: {one.committed_micros} committed of {one.limit_micros}"


def _unknown_money(
    audit: dict[str, Any],
    accepted: list[dict[str, Any]],
    predictions: list[Prediction],
    totals: Totals,
) -> Iterable[str]:
    """What the provider took must be counted: known by its id, or held by one of unknown outcome.

    A bill that is higher than was quoted counts from when it was read.
    """
    known = {one.provider_id for one in predictions if one.provider_id}
    strangers = [one["id"] for one in accepted if one["id"] not in known]
    uncertain = {PredictionStatus.UNCERTAIN, PredictionStatus.SUBMITTING}
    open_ = sum(one.status in uncertain for one in predictions)
    if len(strangers) > open_:
        yield f"{len(strangers)} accepted, unknown to the catalog; {open_} of unknown outcome"
    if known - {one["id"] for one in accepted}:
        yield "the catalog has predictions that the provider never accepted"
    counted = totals.held + totals.charged
    more = sum(
        max(0, one["price_micros"] - quoted)
        for one in accepted
        for quoted in [p.quoted_micros for p in predictions if p.provider_id == one["id"]]
    )
    if audit["billed_micros"] > counted + more:
        yield f"the provider took {audit['billed_micros']}, the ledger counts {counted}"


def _wrong_answers(session: Session, accepted: list[dict[str, Any]]) -> Iterable[str]:
    """Every answer must be the one to its own question about its own film."""
    rows = session.execute(
        select(Analysis, Prediction, Video)
        .join(Prediction, Prediction.analysis_id == Analysis.id)
        .join(Video, Video.id == Analysis.video_id)
        .where(Prediction.provider_id.is_not(None))
    )
    by_id = {one["id"]: one for one in accepted}
    for analysis, prediction, video in rows:
        there = by_id.get(prediction.provider_id)
        if there is None:
            continue
        if prediction.status is not PredictionStatus.COMPLETED:
            continue
        film = FILMS.get(video.content_id, "")
        if (there["video"], there["task"]) != (film, analysis.task.value):
            asked = f"{there['video']}, {there['task']}"
            yield f"prediction {prediction.id} for {video.content_id} asked about {asked}"
        # Some answers are cut short; none names another film.
        if "sha256:" in (analysis.text or "") and film[:20] not in analysis.text:
            yield f"prediction {prediction.id} for {video.content_id} got {analysis.text}"
        if not analysis.text:
            yield f"analysis {analysis.id} is completed without a text"
