"""`reelcat config`: what is set, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.flags import Json

if TYPE_CHECKING:
    from flows.configuration.origins import Setting, Unknown


def config(*, json: Json = False) -> int:
    """Show every setting, its value, and where it was set.

    An option of a command comes before the environment, that before `.env`, that before
    `reelcat.toml`, and the default is last. Keys and the passwords of addresses are shown as `***`.
    What is written like a setting and is none is named, and so is what was not read or not taken of
    the current folder, with the reason. Ends with 2 if a setting makes no
    sense.

    Example:
        reelcat config
        reelcat config --json

    Args:
        json: Print one JSON object: settings [{name, value, source, problem}], unknown [{name,
            source, meant}], unread [sentences].
    """
    from flows.cli.text import complain, output, write_json
    from flows.configuration.origins import settings_in_force, unknown_settings, unread_files

    settings, unknown, unread = settings_in_force(), unknown_settings(), unread_files()
    if json:
        write_json(
            {
                "settings": [
                    {
                        "name": one.name,
                        "value": one.value,
                        "source": one.source,
                        "problem": one.problem,
                    }
                    for one in settings
                ],
                "unknown": [
                    {"name": one.name, "source": one.source, "meant": one.meant} for one in unknown
                ],
                "unread": list(unread),
            }
        )
    else:
        from flows.cli.text import columns

        rows = [(one.name, _value(one), one.source) for one in settings]
        output().print(columns(("setting", "value", "from"), rows, right=()))
        _complain(settings, unknown)
        for said in unread:
            complain(said)
    return 2 if any(one.problem for one in settings) else 0


def _value(one: Setting) -> str:
    return "(not set)" if one.value is None else one.value


def _complain(settings: list[Setting], unknown: list[Unknown]) -> None:
    from flows.cli.text import complain

    for one in settings:
        if one.problem is not None:
            complain(f"{one.name} ({one.source}): {one.problem}.")
    for stray in unknown:
        meant = f"; {stray.meant} may be meant" if stray.meant else ""
        complain(f"{stray.name} ({stray.source}) is no setting{meant}.")
