"""Moves of one prediction, for tests: the catalog makes them for many at once."""

from __future__ import annotations

from catalog import predictions, settlement
from catalog.predictions import Acceptance, Completion
from catalog.settlement import Billed


def accept(session, prediction_id, provider_id, *, now):
    one = Acceptance(prediction_id=prediction_id, provider_id=provider_id, now=now)
    return predictions.accept(session, [one])[0]


def complete(session, prediction_id, answer, *, coverage, now):
    one = Completion(prediction_id=prediction_id, answer=answer, coverage=coverage, now=now)
    return predictions.complete(session, [one])[0]


def settle(session, prediction_id, found, *, now):
    one = Billed(prediction_id=prediction_id, found=found, now=now)
    return settlement.settle(session, [one])[0]
