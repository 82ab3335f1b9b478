"""`reelcat doctor`: what works, and what to do about the rest."""

from __future__ import annotations

from flows.cli.flags import Json


def doctor(*, json: Json = False) -> int:
    """Check what a run needs, and say what to do about what is missing.

    Looks at Python, FFmpeg, the catalog, the account and its balance, credentials for buckets, the
    time zone and the disk. Changes and buys nothing. Ends with 1 if a run would fail.

    Example:
        reelcat doctor
        reelcat doctor --json

    Args:
        json: Print one JSON object: usable, findings [{what, verdict, said}].
    """
    from flows.cli.doctor_checks import Verdict, examine
    from flows.cli.text import output, write_json

    findings = list(examine())
    usable = all(finding.verdict is not Verdict.PROBLEM for finding in findings)
    if json:
        rows = [
            {"what": one.what, "verdict": one.verdict.value, "said": one.said} for one in findings
        ]
        write_json({"usable": usable, "findings": rows})
    else:
        from rich.text import Text

        from flows.cli.text import said

        styles = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}
        console = output()
        for one in findings:
            line = Text(f"{one.verdict:8}", style=styles[one.verdict])
            line.append(f" {one.what:10} ", style="bold")
            console.print(line.append_text(said(one.said)), soft_wrap=True)
    return 0 if usable else 1
