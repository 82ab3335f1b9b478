"""`reelcat sandbox`: a stand-in for WaveSpeed's API on a port."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from flows.cli.flags import Flag

if TYPE_CHECKING:
    from tasks.sandbox.faults import Fault

_NOT_NEGATIVE = Number(gte=0)


def sandbox(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8700,
    host: str = "127.0.0.1",
    key: str = "wsk_sandbox",
    latency: Annotated[float, Parameter(validator=_NOT_NEGATIVE)] = 16.0,
    scale: Annotated[float, Parameter(validator=_NOT_NEGATIVE)] = 1.0,
    tier: Literal["bronze", "silver", "gold", "ultra"] | None = None,
    balance: str = "100",
    refund_delay: Annotated[float, Parameter(validator=_NOT_NEGATIVE)] = 0.0,
    fault: Annotated[
        tuple[str, ...], Parameter(negative="", consume_multiple=False, show_default=False)
    ] = (),
    faults: Annotated[bool, Flag] = False,
    seed: int | None = None,
    state: Path | None = None,
    canned: Annotated[bool, Flag] = False,
    control: Annotated[bool, Flag] = False,
) -> int:
    """Serve a stand-in for WaveSpeed's API, to rehearse with. No real money is spent.

    It takes the same requests, keeps an account with a balance and a bill, can be slow and can
    misbehave in every way that is known of the real one. It describes what FFmpeg measures, and
    never passes for Molmo2. Prints the two lines that point reelcat at it. Ctrl-C stops it.

    Example:
        reelcat sandbox
        reelcat sandbox --scale 0 --state sandbox.json
        reelcat sandbox --faults
        reelcat sandbox --tier bronze --fault submit-lost-reset=0.05

    Args:
        port: Where to listen; 0 takes a free port.
        host: The address to listen at; others than this machine's own are open to all.
        key: The key that it takes.
        latency: Seconds that a prediction takes on average.
        scale: Multiplies every latency; 0 answers as soon as the work is done.
        tier: Limit starts a minute and predictions at once as for this tier. Default: no limits.
        balance: Dollars in the account.
        refund_delay: Seconds until a failed prediction is refunded.
        fault: What goes wrong and how often, as NAME=RATE from 0 to 1. Repeatable.
        faults: List every fault by its name, and what is seen of it, and serve nothing.
        seed: Make ids, latencies and faults repeatable.
        state: Remember everything in this file, so that a restart goes on.
        canned: Fetch and measure nothing; for load.
        control: Let faults, clock and balance be changed over HTTP, under /control.
    """
    from catalog.money import parse_dollars
    from tasks.sandbox.faults import FaultPlan
    from tasks.sandbox.options import TIERS, Mode, SandboxOptions
    from tasks.sandbox.server import serve
    from tasks.sandbox.vision.describe import measure_duration, new_model

    if faults:
        _list_faults()
        return 0
    options = SandboxOptions(
        api_key=key,
        mode=Mode.CANNED if canned else Mode.VIDEO,
        seed=seed,
        latency_mean_seconds=latency,
        latency_scale=scale,
        tier=None if tier is None else TIERS[tier],
        balance_micros=parse_dollars(balance, setting="--balance"),
        refund_delay_seconds=refund_delay,
        faults=FaultPlan(rates=_rates(fault), seed=seed or 0),
        state=state,
        control=control,
    )
    serve(options, host=host, port=port, model=new_model(), measure_duration=measure_duration)
    return 0


def _list_faults() -> None:
    from flows.cli.text import facts, output
    from tasks.sandbox.faults import Fault, Stage

    console = output()
    for stage in Stage:
        console.print(f"{stage.value}, drawn at {stage.moment}", style="bold", soft_wrap=True)
        of_stage = {one.value: one.sentence for one in Fault if one.stage is stage}
        console.print(facts(of_stage))
        console.print()


def _rates(asked: tuple[str, ...]) -> dict[Fault, float]:
    """Read NAME=RATE; the plan itself checks the rates."""
    from catalog.errors import UsageError
    from tasks.sandbox.faults import Fault

    rates: dict[Fault, float] = {}
    for one in asked:
        name, _, rate = one.partition("=")
        if name not in {known.value for known in Fault}:
            message = (
                f"There is no fault {name!r}; --fault takes NAME=RATE with a name that "
                "`reelcat sandbox --faults` lists."
            )
            raise UsageError(message)
        try:
            rates[Fault(name)] = float(rate)
        except ValueError:
            message = f"--fault takes NAME=RATE such as {name}=0.05, not {one!r}."
            raise UsageError(message) from None
    return rates
