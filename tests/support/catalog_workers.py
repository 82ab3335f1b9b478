"""Processes that buy from one catalog at the same time, each as a run of its own."""

from __future__ import annotations

import os
import random
from contextlib import closing
from functools import partial

import single_moves
from catalog_rows import ANSWER, ENDPOINT, LASTING, NOW, jobs, purchase, tokens
from sqlalchemy.orm import Session

from catalog import holding, predictions
from catalog.database import Catalog, connect
from catalog.rate_limits import Limits
from catalog.settlement import Settlement
from catalog.values import RefusalKind, Refused

QUOTE = 10_000
BUSY = Refused(kind=RefusalKind.PACE, reason="Too many requests.")


def buy(url: str, run_id: str, analysis_ids: list[int], rounds: int, starts: int | None) -> None:
    """Hold, send, and let every submission go some way; each worker in an order of its own."""
    rng = random.Random(run_id)
    new_token = tokens(f"{run_id}-")
    limits = Limits(starts_per_minute=starts, in_flight=None)
    with closing(connect(url)) as catalog:
        for _ in range(rounds):
            chosen = rng.sample(analysis_ids, k=min(8, len(analysis_ids)))
            held = catalog.write(
                partial(
                    holding.hold,
                    jobs=jobs(chosen, QUOTE),
                    purchase=purchase(run_id),
                    now=NOW,
                    unique=new_token,
                )
            ).held
            ids = [one.prediction_id for one in held]
            done = catalog.write(
                partial(
                    holding.intend,
                    prediction_ids=ids,
                    endpoint=ENDPOINT,
                    limits=limits,
                    now=NOW,
                )
            )
            for one in ids:
                if one in done.granted:
                    _go_on(catalog, one, rng)
                else:
                    drop = partial(predictions.drop, reason=None, retry=True, now=NOW)
                    catalog.write(partial(drop, prediction_id=one))


def _go_on(catalog: Catalog, one: int, rng: random.Random) -> None:
    match rng.choice(["complete", "complete", "fail", "refuse", "refuse", "lose"]):
        case "refuse":
            catalog.write(partial(predictions.refuse, prediction_id=one, refusal=BUSY, now=NOW))
        case "lose":
            catalog.write(partial(predictions.lose, prediction_id=one, reason="Lost.", now=NOW))
        case end:
            catalog.write(
                partial(single_moves.accept, prediction_id=one, provider_id=f"p{one}", now=NOW)
            )
            catalog.write(partial(_end, prediction_id=one, completes=end == "complete"))


def _end(session: Session, prediction_id: int, *, completes: bool) -> None:
    if completes:
        single_moves.complete(session, prediction_id, ANSWER, coverage=None, now=NOW)
    else:
        predictions.fail(session, prediction_id, LASTING, now=NOW)
        bill = Settlement(deducted=QUOTE, refunded=QUOTE)
        single_moves.settle(session, prediction_id, bill, now=NOW)


def buy_and_die(url: str, run_id: str, analysis_ids: list[int]) -> None:
    """Hold and intend, and die in the middle of the next transaction."""
    catalog = connect(url)
    held = catalog.write(
        partial(
            holding.hold,
            jobs=jobs(analysis_ids, QUOTE),
            purchase=purchase(run_id),
            now=NOW,
            unique=tokens(f"{run_id}-"),
        )
    ).held

    def die(session):
        predictions.drop(session, held[0].prediction_id, reason=None, retry=True, now=NOW)
        session.flush()
        os._exit(9)

    catalog.write(die)
