"""Which listed prediction is which lost submission: in a world whose truth is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.matching import (
    LIST_KEEPS,
    Adopt,
    Evidence,
    Known,
    Lost,
    NeverAccepted,
    StillUncertain,
    judge,
    token_of,
)
from catalog.values import ListedPrediction

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DELAY = timedelta(seconds=60)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def lost(number: int = 1, *, sent: float = 0, given_up: float | None = None) -> Lost:
    return Lost(
        prediction_id=number,
        token=f"token{number}",
        submitted_at=at(sent),
        lost_at=at(sent + 1 if given_up is None else given_up),
    )


def row(provider_id: str = "p1", *, created: float | None = 0, url: str | None = None):
    return ListedPrediction(
        provider_id=provider_id,
        status="processing",
        created_at=None if created is None else at(created),
        video_url=url,
    )


def later(submitted: float = 3400, *, created: float | None = 3401):
    """A witness: a row of ours that was sent so late, and what the catalog knows of it."""
    known = {"later": Known(token="later", submitted_at=at(submitted))}
    return row("later", created=created), known


def evidence(
    *listed,
    known=None,
    unanswered=(),
    complete: bool = True,
    exclusive: bool = False,
    witness=None,
) -> Evidence:
    """What a list says in which a late prediction of ours is shown, too, unless `witness` is ()."""
    rows, more = ([], {}) if witness == () else ([(witness or later())[0]], (witness or later())[1])
    return Evidence(
        listed=[*listed, *rows],
        known={
            provider_id: Known(token=token, submitted_at=None)
            for provider_id, token in (known or {}).items()
        }
        | more,
        unanswered=unanswered,
        complete=complete,
        exclusive=exclusive,
    )


def verdicts(submissions, found, *, now: float = 3600):
    return judge(submissions, found, settle_delay=DELAY, now=at(now))


def verdict(found, *, now: float = 3600):
    return verdicts([lost()], found, now=now)[0]


SIGNED = "https://bucket.example/v.mp4?x-reelcat=token1&X-Amz-Signature=abc"
OURS_KEPT = row("known", url="https://cdn.example/k.mp4?reelcat=kept")
OURS_REWRITTEN = row("known", url="https://cache.example/7f3a.mp4")
KNOWN = {"known": "kept"}


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/v.mp4?reelcat=token1",
        "https://cdn.example/v.mp4#reelcat=token1",
        "https://cdn.example/v.mp4?a=b&reelcat=token1&c=d",
        SIGNED,
    ],
)
def test_a_row_whose_input_carries_the_token_is_adopted_at_once(url):
    assert verdict(evidence(row(url=url)), now=2) == Adopt(prediction_id=1, provider_id="p1")


def test_a_token_is_only_the_whole_token():
    assert token_of("https://cdn.example/v.mp4?reelcat=token12") == "token12"
    assert token_of("https://cdn.example/v.mp4?notreelcat=token1") is None
    rewritten = row(url="https://cdn.example/v.mp4?reelcat=token12")
    assert verdict(evidence(rewritten)) == NeverAccepted(prediction_id=1)


def test_a_token_beside_an_id_that_is_known_already_proves_nothing():
    same_bytes = row("known", url="https://cdn.example/v.mp4?reelcat=token1")
    found = evidence(same_bytes, known=KNOWN)
    assert verdict(found) == NeverAccepted(prediction_id=1)


def test_what_a_later_one_of_ours_is_shown_without_never_arrived_once_the_delay_has_passed():
    soon = later(30, created=31)
    assert verdict(evidence(witness=soon), now=62) == NeverAccepted(prediction_id=1)
    assert isinstance(verdict(evidence(witness=soon), now=60), StillUncertain)


@pytest.mark.parametrize(
    "witness",
    [
        (),
        later(0.5, created=30),
        later(1, created=30),
        later(30, created=0.5),
        later(30, created=None),
        (row("theirs", created=2000), {}),
        (row("later", created=30), {"later": Known(token="later", submitted_at=None)}),
    ],
    ids=[
        "an empty list",
        "sent before it was lost",
        "sent in the same moment",
        "begun before by the provider's clock",
        "begun at no time",
        "somebody else's",
        "sent nobody knows when",
    ],
)
def test_without_a_witness_that_is_certainly_later_an_absence_proves_nothing(witness):
    reached = verdict(evidence(witness=witness))
    assert isinstance(reached, StillUncertain)
    assert "the next accepted prediction settles it" in reached.reason


def test_a_process_that_is_taken_for_dead_may_send_as_long_as_its_intent_lasts():
    """What takes over says so by when it was lost; a witness from before that proves nothing."""
    asleep = lost(sent=0, given_up=60)
    found = evidence(witness=later(50, created=51))
    assert isinstance(verdicts([asleep], found)[0], StillUncertain)
    found = evidence(witness=later(61, created=62))
    assert verdicts([asleep], found) == [NeverAccepted(prediction_id=1)]


def test_the_delay_counts_from_when_the_answer_was_given_up():
    hung = lost(sent=0, given_up=90)
    assert isinstance(verdicts([hung], evidence(), now=149)[0], StillUncertain)
    assert verdicts([hung], evidence(), now=150) == [NeverAccepted(prediction_id=1)]


def test_nothing_is_denied_by_a_list_that_was_not_read_to_its_end():
    assert isinstance(verdict(evidence(complete=False)), StillUncertain)


def test_nothing_is_denied_by_a_list_that_no_longer_reaches_back():
    age = LIST_KEEPS.total_seconds() + 1
    assert isinstance(verdict(evidence(), now=age), StillUncertain)


@pytest.mark.parametrize(
    "stray",
    [
        row(),
        row(created=None),
        row(created=290),
        row(created=-290),
        row(url="https://cache.example/7f3a.mp4"),
    ],
    ids=["no input", "no time", "a fast clock", "a slow clock", "input rewritten"],
)
def test_while_a_row_could_be_it_nothing_is_decided_on_a_shared_account(stray):
    assert isinstance(verdict(evidence(stray)), StillUncertain)


def test_a_row_that_began_while_the_post_hung_could_be_it():
    hung = lost(sent=0, given_up=7200)
    assert isinstance(verdicts([hung], evidence(row(created=7000)), now=9000)[0], StillUncertain)


@pytest.mark.parametrize(
    "strangers",
    [
        row(created=600),
        row(created=-600),
        row(url="https://cdn.example/v.mp4?reelcat=another"),
    ],
    ids=["later", "earlier", "another token"],
)
def test_a_row_that_cannot_be_it_does_not_hold_it_up(strangers):
    assert verdict(evidence(strangers)) == NeverAccepted(prediction_id=1)


def test_where_the_list_keeps_our_tokens_a_row_without_one_is_a_strangers():
    stray = row(url="https://elsewhere.example/cat.mp4")
    assert verdict(evidence(OURS_KEPT, stray, known=KNOWN)) == NeverAccepted(prediction_id=1)


def test_where_the_list_rewrites_only_some_inputs_a_row_without_a_token_could_be_ours():
    stray = row(url="https://cache.example/91bc.mp4")
    rewritten = row("known2", url="https://cache.example/7f3a.mp4")
    found = evidence(OURS_KEPT, rewritten, stray, known=KNOWN | {"known2": "rewritten"})
    assert isinstance(verdict(found), StillUncertain)


def test_where_the_list_rewrites_inputs_a_row_without_a_token_could_be_ours():
    stray = row(url="https://cache.example/91bc.mp4")
    assert isinstance(verdict(evidence(OURS_REWRITTEN, stray, known=KNOWN)), StillUncertain)


def test_the_only_row_of_an_exclusive_account_is_the_only_lost_submission():
    found = evidence(row(), exclusive=True)
    assert verdict(found) == Adopt(prediction_id=1, provider_id="p1")


def test_two_rows_are_not_chosen_between():
    found = evidence(row("p1"), row("p2"), exclusive=True)
    assert isinstance(verdict(found), StillUncertain)


def test_one_row_is_not_given_to_either_of_two_lost_submissions():
    both = [lost(1), lost(2, sent=30)]
    found = evidence(row(), exclusive=True)
    assert all(isinstance(one, StillUncertain) for one in verdicts(both, found))


def test_a_row_without_a_time_is_not_given_to_two_submissions_hours_apart():
    both = [lost(1), lost(2, sent=20_000)]
    found = evidence(row(created=None), exclusive=True)
    assert all(isinstance(one, StillUncertain) for one in verdicts(both, found, now=30_000))


def test_a_row_is_not_adopted_while_another_submission_under_way_could_own_it():
    being_sent = lost(2, sent=30, given_up=3600)
    found = evidence(row(created=31), unanswered=[lost(1), being_sent], exclusive=True)
    assert isinstance(verdict(found), StillUncertain)


def test_a_submission_found_by_its_token_is_no_rival():
    both = [lost(1), lost(2)]
    listed = row("p1", url=SIGNED), row("p2")
    assert verdicts(both, evidence(*listed, exclusive=True)) == [
        Adopt(prediction_id=1, provider_id="p1"),
        Adopt(prediction_id=2, provider_id="p2"),
    ]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A submission as it truly was."""

    number: int
    submitted: int
    #: Seconds until the provider created it, if it did.
    arrives: int
    accepted: bool
    #: Seconds until its answer was given up; None if it came, or is still being waited for.
    hung: int | None
    answered: bool


@st.composite
def sent(draw, number):
    accepted = draw(st.booleans())
    arrives = draw(st.integers(0, 400))
    return Sent(
        number=number,
        submitted=draw(st.integers(0, 3600)),
        arrives=arrives,
        accepted=accepted,
        hung=draw(st.none() | st.integers(arrives, arrives + 400)),
        answered=draw(st.booleans()),
    )


@dataclass(kw_only=True)
class World:
    """A provider's list, and what the catalog knows, after submissions whose fate we know."""

    now: int
    inputs: str
    accepted: set[int]
    listed: list[ListedPrediction] = field(default_factory=list)
    #: Number of the submission by provider id of its row.
    truth: dict[str, int] = field(default_factory=dict)
    #: Number of the submission by provider id.
    known: dict[str, Sent] = field(default_factory=dict)
    unanswered: list[Lost] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    complete: bool = True
    exclusive: bool = False

    def evidence(self) -> Evidence:
        there = {one.provider_id for one in self.listed}
        return Evidence(
            listed=self.listed,
            known={
                id_: Known(token=f"token{one.number}", submitted_at=at(one.submitted))
                for id_, one in self.known.items()
                if id_ in there
            },
            unanswered=self.unanswered,
            complete=self.complete,
            exclusive=self.exclusive,
        )

    def remember(self, one: Sent) -> None:
        """Let the catalog know of a submission what it would know."""
        if one.accepted and one.answered:
            self.known[f"p{one.number}"] = one
            return
        waits = one.hung is None
        unanswered = Lost(
            prediction_id=one.number,
            token=f"token{one.number}",
            submitted_at=at(one.submitted),
            lost_at=at(self.now if waits else one.submitted + one.hung),
        )
        self.unanswered.append(unanswered)
        if not waits:
            self.lost.append(unanswered)


def shown_input(draw, inputs: str, token: str) -> str | None:
    shown = draw(st.sampled_from(["kept", "hidden"])) if inputs == "some" else inputs
    if shown == "hidden":
        return None
    return f"https://v.example/v.mp4?reelcat={token}" if shown == "kept" else "https://c.e/7"


@st.composite
def worlds(draw):
    sents = [draw(sent(number)) for number in range(draw(st.integers(1, 5)))]
    world = World(
        now=draw(st.integers(4500, 9000)),
        inputs=draw(st.sampled_from(["kept", "hidden", "rewritten", "some"])),
        accepted={one.number for one in sents if one.accepted},
        exclusive=draw(st.booleans()),
    )
    tells_time = draw(st.booleans())
    skew, lag = draw(st.integers(-290, 290)), draw(st.integers(0, 2000))
    for one in sents:
        world.remember(one)
        created = one.submitted + one.arrives
        if one.accepted and created + lag <= world.now:
            provider_id, shown = f"p{one.number}", created + skew if tells_time else None
            url = shown_input(draw, world.inputs, f"token{one.number}")
            world.truth[provider_id] = one.number
            world.listed.append(row(provider_id, created=shown, url=url))
    for number in range(0 if world.exclusive else draw(st.integers(0, 3))):
        created = draw(st.integers(0, world.now)) if tells_time else None
        url = draw(st.sampled_from([None, "https://other.example/v.mp4"]))
        world.listed.append(row(f"foreign{number}", created=created, url=url))
    world.complete = draw(st.booleans())
    if not world.complete:
        world.listed = world.listed[: draw(st.integers(0, len(world.listed)))]
    world.listed = draw(st.permutations(world.listed))
    return world


@settings(max_examples=400)
@given(worlds())
def test_no_verdict_is_ever_wrong(world):
    reached = verdicts(world.lost, world.evidence(), now=world.now)
    assert [one.prediction_id for one in reached] == [one.prediction_id for one in world.lost]
    adopted = [one for one in reached if isinstance(one, Adopt)]
    assert all(world.truth.get(one.provider_id) == one.prediction_id for one in adopted)
    assert len({one.provider_id for one in adopted}) == len(adopted)
    denied = {one.prediction_id for one in reached if isinstance(one, NeverAccepted)}
    assert not denied & world.accepted


@settings(max_examples=200)
@given(worlds())
def test_where_tokens_are_kept_and_a_witness_is_shown_everything_is_decided(world):
    world.complete, world.exclusive = True, True
    witness, known = later(world.now + 1, created=world.now + 2)
    found = Evidence(
        listed=[
            *(
                row(
                    f"p{number}", created=None, url=f"https://v.example/v.mp4?reelcat=token{number}"
                )
                for number in world.accepted
            ),
            witness,
        ],
        known=known
        | {
            f"p{number}": Known(token=f"token{number}", submitted_at=None)
            for number in world.accepted
            if f"p{number}" in world.known
        },
        unanswered=world.unanswered,
        complete=True,
        exclusive=True,
    )
    reached = verdicts(world.lost, found, now=world.now + 60)
    assert [isinstance(one, Adopt) for one in reached] == [
        one.prediction_id in world.accepted for one in reached
    ]
    assert not any(isinstance(one, StillUncertain) for one in reached)


@pytest.mark.parametrize(
    ("sent_with", "proves"), [("ours", True), (None, True), ("another", False)]
)
def test_the_list_of_another_key_proves_no_absence(sent_with, proves):
    submission = dataclasses.replace(lost(), account=sent_with)
    [verdict] = verdicts([submission], dataclasses.replace(evidence(), account="ours"))
    assert isinstance(verdict, NeverAccepted if proves else StillUncertain)


def test_what_is_seen_in_the_list_of_another_key_is_it_all_the_same():
    submission = dataclasses.replace(lost(), account="another")
    found = evidence(row(url="https://films.example/a.mp4?reelcat=token1"))
    [verdict] = verdicts([submission], dataclasses.replace(found, account="ours"))
    assert verdict == Adopt(prediction_id=1, provider_id="p1")
