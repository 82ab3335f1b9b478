"""A picture as a coarse grid of averaged colours, and what can be read from it.

Pure: bytes in, words and shares out. The grid is 24 by 24 whatever the shape of the picture, so a
cell is a twenty-fourth of its width and height.
"""

from __future__ import annotations

import colorsys
import functools
import statistics
from collections import Counter
from collections.abc import Sequence

from tasks.media.describing.signals import Bars, Place

SIDE = 24

#: A cell counts as changed when its average luma (0 to 255) moves by more than this: above what
#: compression and sensor noise do to an average of many pixels.
_CHANGE = 5
#: Borders stay below this luma, pictures rise above the other.
_BORDER_LUMA = 20
_PICTURE_LUMA = 60
#: Narrower borders are within the error of the grid.
_BORDER_CELLS = 2
#: Movement has a place when this share of it lies in one third.
_CONCENTRATED = 0.6

_PLACES = (
    (Place.UPPER_LEFT, Place.UPPER, Place.UPPER_RIGHT),
    (Place.LEFT, Place.CENTRE, Place.RIGHT),
    (Place.LOWER_LEFT, Place.LOWER, Place.LOWER_RIGHT),
)

#: Upper end of each hue in degrees, and its name when bright and when dark.
_HUES = (
    (14, "red", "dark red"),
    (42, "orange", "brown"),
    (68, "yellow", "olive"),
    (165, "green", "dark green"),
    (195, "turquoise", "dark turquoise"),
    (255, "blue", "dark blue"),
    (290, "purple", "dark purple"),
    (340, "pink", "dark pink"),
    (360, "red", "dark red"),
)


def lumas(rgb: bytes) -> list[int]:
    """The brightness of each cell, 0 to 255."""
    return [
        (2 * r + 5 * g + b) >> 3 for r, g, b in zip(rgb[::3], rgb[1::3], rgb[2::3], strict=True)
    ]


def colours(rgb: bytes) -> Counter[str]:
    """How many cells have which colour."""
    return Counter(
        _rough_name(r >> 3, g >> 3, b >> 3)
        for r, g, b in zip(rgb[::3], rgb[1::3], rgb[2::3], strict=True)
    )


@functools.cache  # 32,768 possible colours, a few hundred in any one video
def _rough_name(r: int, g: int, b: int) -> str:
    return colour_name(r << 3 | 4, g << 3 | 4, b << 3 | 4)


def colour_name(r: int, g: int, b: int) -> str:
    """The everyday word for a colour.

    >>> colour_name(20, 160, 40), colour_name(110, 70, 30), colour_name(128, 130, 127)
    ('green', 'brown', 'grey')
    """
    hue, saturation, value = colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)
    if value < 0.13:
        return "black"
    # In the dark a trace of noise has a hue, so the hue must stand out absolutely as well.
    if saturation < 0.17 or saturation * value < 0.09:
        return "white" if value > 0.85 else "grey" if value > 0.35 else "dark grey"
    bright, dark = next((light, deep) for top, light, deep in _HUES if hue * 360 <= top)
    if bright == "orange" and saturation < 0.5 and value > 0.6:
        return "beige"
    return dark if value < 0.45 + (0.15 if bright == "orange" else 0) else bright


def changed(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The indices of the cells that changed between two grids of luma.

    What the whole picture shares, as when a camera adapts to the light, is not counted.
    """
    differences = [b - a for a, b in zip(before, after, strict=True)]
    common = statistics.median_low(differences)
    return [i for i, difference in enumerate(differences) if abs(difference - common) > _CHANGE]


def movement_place(changes: Sequence[int]) -> Place | None:
    """Where the changes, counted per cell, lie; None when they are spread out."""
    total = sum(changes)
    if not total:
        return None
    rows = [0, 0, 0]
    columns = [0, 0, 0]
    for index, count in enumerate(changes):
        rows[index // SIDE * 3 // SIDE] += count
        columns[index % SIDE * 3 // SIDE] += count
    row = _concentrated(rows, total)
    column = _concentrated(columns, total)
    if row is None and column is None:
        return None
    return _PLACES[1 if row is None else row][1 if column is None else column]


def borders(brightest: Sequence[int]) -> Bars | None:
    """The black bars, from the brightest luma that each cell ever had."""
    if max(brightest) < _PICTURE_LUMA:
        return None
    rows = [max(brightest[i * SIDE : (i + 1) * SIDE]) for i in range(SIDE)]
    columns = [max(brightest[i::SIDE]) for i in range(SIDE)]
    if _framed(rows):
        return Bars.LETTERBOX
    return Bars.PILLARBOX if _framed(columns) else None


def _concentrated(thirds: Sequence[int], total: int) -> int | None:
    best = max(range(3), key=thirds.__getitem__)
    return best if thirds[best] >= _CONCENTRATED * total else None


def _framed(lines: Sequence[int]) -> bool:
    edges = (*lines[:_BORDER_CELLS], *lines[-_BORDER_CELLS:])
    return max(edges) < _BORDER_LUMA
