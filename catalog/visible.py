r"""Making what cannot be seen in a text visible, wherever a person reads what strangers wrote.

Unicode's controls give orders to terminals, its directional signs turn what follows, and its signs
without a shape make two names look the same. Each is shown as an escape such as `\u202e`.

Joiners (U+200C and U+200D) and variation selectors are part of how Persian, the scripts of India
and emoji are written. So they are left alone next to such letters, where they can be seen to do
something, and shown anywhere else.
"""

from __future__ import annotations

import re
from typing import Final

#: Controls but tab and newline, all that Unicode calls ignorable by default, what ends lines and
#: paragraphs, annotations, and halves of surrogate pairs. Joiners and selectors follow below.
_NEVER_SEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
#: Arabic to N'Ko, India, Tibet, Burma, Cambodia, Mongolia, and their later blocks.
_JOINED_LETTERS = (
    "\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af"
    "\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff"
)
_PICTURES = "\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_SELECTED = f"{_PICTURES}\u1000-\u109f\u1820-\u18af\u3400-\u9fff\uf900-\ufaff"
_BESIDE_JOINERS = f"{_JOINED_LETTERS}{_PICTURES}\ufe0f"

#: What is shown as an escape.
UNSEEN: Final = re.compile(
    f"[{_NEVER_SEEN}]"
    f"|(?<![{_BESIDE_JOINERS}])[\u200c\u200d]|[\u200c\u200d](?![{_BESIDE_JOINERS}])"
    f"|(?<![{_SELECTED}])[\ufe00-\ufe0f](?!\u20e3)"
)
_LINES = re.compile(r"[ \t\r\n]+")


def visible(text: str) -> str:
    r"""Spell out what cannot be seen; tabs and newlines stay.

    >>> visible("a\x1b[31mb\nc")
    'a\\x1b[31mb\nc'
    >>> visible("photo\u202egpj.exe")
    'photo\\u202egpj.exe'
    """
    return UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def visible_on_one_line(text: str) -> str:
    r"""Spell out what cannot be seen, with a space for each stretch of spaces and newlines.

    >>> visible_on_one_line("two\n lines\x07")
    'two lines\\x07'
    """
    return visible(_LINES.sub(" ", text).strip(" "))
