"""A colour for each behaviour: the same in every picture and page.

The ten colours for small label sets, and the grey of unscored frames, lie at least 0.1 apart in
OKLab as seen with normal sight and with complete protanopia, deuteranopia and tritanopia (matrices
of Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113), and stand out from white
(contrast of at least 1.69) and from the dark ground ``#16181d`` (1.9). The test measures it. That
is enough to tell them apart side by side, not to know one by itself: a picture that can also gives
each behaviour a row, or its name. The other colours, and that of other behaviours, are nearer to
one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

UNSCORED_COLOUR = "#8a8f98"
OTHER_COLOUR = "#5b5f66"
"""Of the behaviours that a picture shows together, since each of them takes little time."""

# Behaviours that a mouse spends much time in (homecage9's order) have the quieter ones.
_BY_INDEX = (
    "#0f4bff",
    "#ffa500",
    "#0fe1a5",
    "#6900b4",
    "#0096ff",
    "#f04b0f",
    "#c3b4ff",
    "#a50000",
    "#875aa5",
    "#005a5a",
)
_MORE = (
    "#00963c",
    "#d25ad2",
    "#b4a578",
    "#781e87",
    "#a50fd2",
    "#00c3b4",
    "#87d269",
    "#ff3cff",
    "#c31e87",
    "#872d3c",
    "#a5a5e1",
    "#a54b1e",
    "#4b785a",
    "#b48769",
)
PALETTE = _BY_INDEX + _MORE


def colours_of(labels: Sequence[str], *, shown: Iterable[str] = ()) -> dict[str, str]:
    """Return a colour for each label, as ``#rrggbb``; the same for the same labels.

    Up to 10 labels have colours of their own, by their place. Of more labels each takes the colour
    that follows from its name, so some share one.

    Args:
        labels: of the contract, in its order.
        shown: of more than 10 labels, those that appear together. They get colours that differ, as
            long as there are enough: where two would share one, the later in ``labels`` takes the
            next that is free.
    """
    if len(labels) <= len(_BY_INDEX):
        return dict(zip(labels, _BY_INDEX, strict=False))
    places = {label: _place(label) for label in labels}
    together = set(shown)
    taken: set[int] = set()
    for label in (label for label in labels if label in together):
        place = places[label]
        while place in taken and len(taken) < len(PALETTE):
            place = (place + 1) % len(PALETTE)
        taken.add(place)
        places[label] = place
    return {label: PALETTE[place] for label, place in places.items()}


def _place(label: str) -> int:
    digest = sha256(label.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % len(PALETTE)
