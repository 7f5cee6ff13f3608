"""Edits that one button makes: a few strengths at once."""

from collections.abc import Sequence

from zplus.direction import Direction

YEARS = 10.0


def presets(sliders: Sequence[Direction]) -> list[dict[str, object]]:
    """The presets that these sliders can do: each a title, and the strength of sliders by the number."""
    at = {slider.name: i for i, slider in enumerate(sliders)}
    wishes: list[tuple[str, dict[str, float]]] = [
        ("Smile", {"smile": 1.5}),
        ("Passport face", {"smile": -1.0, "mouth_open": -1.0}),
    ]
    years = sliders[at["age"]].card.get("score_std") if "age" in at else None
    if isinstance(years, int | float) and years > 0:  # one unit of the direction is one deviation of the age
        unit = round(YEARS / years, 2)
        wishes += [(f"{YEARS:g} years younger", {"age": -unit}), (f"{YEARS:g} years older", {"age": unit})]
    return [
        {"title": title, "strengths": {at[name]: strength for name, strength in strengths.items()}}
        for title, strengths in wishes
        if all(name in at for name in strengths)
    ]
