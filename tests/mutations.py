"""Break the product on purpose and see that the suite notices: `make mutations`.

Each mutation is a small patch of a temporary copy of the repository, in which the tests named
beside it are run; they have to fail. Not part of `make test`: it takes minutes. Exits 1 if one
survives. Names of mutations may be given to try only those.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("catalog", "tasks", "flows", "migrations", "tests", "pyproject.toml")
MONEY = "tests/acceptance/money"
_SAID = re.compile(r"^(?:E  |  \|)[ |]*(\w+Error\b.*)$", re.MULTILINE)
_MOST_WORDS = 110
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One place in the source; `old` is there exactly once."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A mistake that somebody could make."""

    name: str
    sentence: str
    patches: tuple[Patch, ...]
    #: What pytest is told to run.
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        name="retry-post",
        sentence="a POST whose answer was lost is sent again",
        patches=(
            Patch(
                path="tasks/wavespeed/client.py",
                old="""return Uncertain(reason=f"The provider's answer was lost """
                """({described(error)}).")""",
                new="return await self.submit(\n"
                "                model=model, video_url=video_url, task=task, text=text\n"
                "            )",
            ),
        ),
        tests=(f"{MONEY}/test_faults_submitting.py", "-k", "found_by_its_address"),
    ),
    Mutation(
        name="release-uncertain",
        sentence="the hold of an uncertain submission is released",
        patches=(
            Patch(
                path="catalog/predictions.py",
                old="    analysis.status = AnalysisStatus.UNCERTAIN\n",
                new="    analysis.status = AnalysisStatus.UNCERTAIN\n"
                "    ledger.release(session, prediction, now=now)\n",
            ),
        ),
        tests=(f"{MONEY}/test_budgets.py", f"{MONEY}/test_uncertain.py"),
    ),
    Mutation(
        name="budget-outside",
        sentence="the budget is checked before the transaction that holds",
        patches=(
            Patch(
                path="catalog/holding.py",
                old="    usages = budgets.lock(session, purchase.scopes)\n",
                new="    budgets.lock(session, purchase.scopes)\n    usages = purchase.usages\n",
            ),
            Patch(
                path="catalog/holding.py",
                old="    price_list: str\n    scopes: Scopes\n",
                new="    price_list: str\n    scopes: Scopes\n    usages: tuple = ()\n",
            ),
            Patch(
                path="flows/pipeline/prediction.py",
                old="        now, run_id = services.clock(), self.context.budget_run_id\n",
                new="        now, run_id = services.clock(), self.context.budget_run_id\n"
                "        import asyncio\n"
                "        from catalog import budgets\n"
                "        scopes = scopes_at(now, run_id=run_id, zone=services.zone)\n"
                "        with services.catalog.read() as session:\n"
                "            seen = (\n"
                "                *budgets.usages(session, [scopes.run]),\n"
                "                budgets.in_force(session, scopes.day, 'day'),\n"
                "                budgets.in_force(session, scopes.month, 'month'),\n"
                "            )\n"
                "        await asyncio.sleep(0.05)\n",
            ),
            Patch(
                path="flows/pipeline/prediction.py",
                old="scopes=scopes_at(now, run_id=run_id, zone=services.zone),\n",
                new="scopes=scopes,\n                usages=seen,\n",
            ),
        ),
        tests=(f"{MONEY}/test_together.py",),
    ),
    Mutation(
        name="forget-intent",
        sentence="the intent is not written down before the POST",
        patches=(
            Patch(
                path="catalog/holding.py",
                old="            .values(status=PredictionStatus.SUBMITTING, submitted_at=now)\n",
                new="            .values(submitted_at=now)\n",
            ),
            Patch(
                path="catalog/predictions.py",
                old="only_from=(PredictionStatus.SUBMITTING, PredictionStatus.UNCERTAIN),\n",
                new="only_from=(PredictionStatus.HELD, PredictionStatus.UNCERTAIN),\n",
            ),
            Patch(
                path="catalog/predictions.py",
                old="        only_from=(PredictionStatus.SUBMITTING, PredictionStatus.RELEASED),\n",
                new="        only_from=(PredictionStatus.HELD, PredictionStatus.RELEASED),\n",
            ),
            Patch(
                path="catalog/lifecycle.py",
                old="    Status.HELD: frozenset({Status.SUBMITTING, Status.RELEASED}),\n",
                new="    Status.HELD: frozenset(Status),\n",
            ),
        ),
        tests=(f"{MONEY}/test_crashes.py", "-k", "buys and submit"),
    ),
    Mutation(
        name="wrong-id",
        sentence="a prediction is polled by another one's id",
        patches=(
            Patch(
                path="flows/pipeline/predict.py",
                old="                following = self.tracker.follow(\n"
                "                    reservation, provider_id, "
                "self.context.services.provider.clock()\n",
                new="                _IDS.append(provider_id)\n"
                "                following = self.tracker.follow(\n"
                "                    reservation, _IDS[0], "
                "self.context.services.provider.clock()\n",
            ),
            Patch(
                path="flows/pipeline/predict.py",
                old="BATCH = 200\n",
                new="BATCH = 200\n_IDS: list[str] = []\n",
            ),
        ),
        tests=(f"{MONEY}/test_faults_running.py", "-k", "takes_its_time"),
    ),
    Mutation(
        name="impatient",
        sentence="what is not listed yet is called lost at once",
        patches=(
            Patch(
                path="catalog/matching.py",
                old="    if now - submission.lost_at < settle_delay:\n",
                new="    if now < submission.lost_at:\n",
            ),
        ),
        tests=(f"{MONEY}/test_faults_listing.py",),
    ),
    Mutation(
        name="guess",
        sentence="a stray prediction of a shared account is taken for ours",
        patches=(
            Patch(
                path="catalog/matching.py",
                old="    if not evidence.exclusive:\n",
                new="    if False:\n",
            ),
        ),
        tests=(f"{MONEY}/test_uncertain.py",),
    ),
    Mutation(
        name="free-failure",
        sentence="a failed prediction's hold is released before the bill says so",
        patches=(
            Patch(
                path="catalog/settlement.py",
                old="final = refunded >= deducted or now - ended_at > REFUND_SHOWS_WITHIN\n",
                new="final, found = True, Settlement(deducted=0, refunded=0)\n",
            ),
        ),
        tests=(f"{MONEY}/test_faults_running.py", f"{MONEY}/test_faults_billing.py"),
    ),
    Mutation(
        name="no-token",
        sentence="two submissions of one video have the same address",
        patches=(
            Patch(
                path="tasks/publish.py",
                old="found.path), token)",
                new='found.path), "x")',
            ),
        ),
        tests=(f"{MONEY}/test_faults_submitting.py",),
    ),
)


def main(names: list[str]) -> int:
    """Try the mutations, print what caught each, and give the exit code."""
    chosen = [one for one in MUTATIONS if not names or one.name in names]
    survived = 0
    sys.stdout.write("| mutation | caught by | which said | seconds |\n|---|---|---|---|\n")
    for mutation in chosen:
        began = time.monotonic()
        caught_by = _try(mutation)
        survived += caught_by is None
        line = f"{mutation.sentence} | {caught_by or 'NOTHING | '} | {time.monotonic() - began:.0f}"
        sys.stdout.write(f"| {line} |\n")
        sys.stdout.flush()
    return 1 if survived else 0


def _try(mutation: Mutation) -> str | None:
    """Give the first test that fails under a mutation and what it says; None if none fails."""
    with tempfile.TemporaryDirectory(prefix="reelcat-mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                skipped = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, copy / name, ignore=skipped)
            else:
                shutil.copy(ROOT / name, copy / name)
        for patch in mutation.patches:
            path = copy / patch.path
            text = path.read_text("utf-8")
            if text.count(patch.old) != 1:
                sys.exit(f"{mutation.name}: {patch.path} has changed; mend the patch.")
            path.write_text(text.replace(patch.old, patch.new), "utf-8")
        return _first_failure(copy, mutation.tests)


def _first_failure(copy: Path, tests: tuple[str, ...]) -> str | None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    found = _FAILED.search(done.stdout)
    if done.returncode != 1 or found is None:
        sys.exit(f"pytest did not get as far as failing:\n{done.stdout}\n{done.stderr}")
    said = _SAID.search(done.stdout)
    words = "" if said is None else said[1].replace("|", "/")[:_MOST_WORDS]
    return f"`{found[1].rpartition('::')[2]}` | {words}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
