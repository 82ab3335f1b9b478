"""Instructions for the model: as they are typed, or out of a file that is named after an @."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import UsageError

#: Far more than anybody asks; a video that is named by mistake ends here.
_MOST_BYTES = 16 * 1024


def read_instructions(asked: str) -> str:
    r"""Give the words for the model, without space around them.

    `@file` reads a file in UTF-8, in which a line may end as on any system; `@@` begins with an @.

    >>> read_instructions(" Name the boats. "), read_instructions("@@home")
    ('Name the boats.', '@home')

    Raises:
        UsageError: the file cannot be read, or holds none.
    """
    text = asked.strip()
    if text.startswith("@@"):
        return text[1:]
    return _read(text[1:]) if text.startswith("@") else text


def _read(name: str) -> str:
    if not name:
        raise UsageError("--instructions is a bare @; name a file after it, as in @boats.txt.")
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise UsageError(
            f"--instructions: {name} cannot be read: {reason}; name a text file after the @, or "
            "write @@ for words that begin with one."
        ) from None
    if len(content) > _MOST_BYTES:
        raise UsageError(
            f"--instructions: {name} is longer than {_MOST_BYTES // 1024} KiB; shorten it."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--instructions: {name} is no text in UTF-8; save it as such.") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text or "\0" in text:
        what = "holds a null character" if text else "is empty"
        raise UsageError(f"--instructions: {name} {what}; write into it what the model is told.")
    return text
