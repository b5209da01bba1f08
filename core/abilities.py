"""What a model can do, told by the parts that it has."""

from collections.abc import Collection, Iterable

from .printable import listed

_ENCODING = {"generator", "encoder", "mixer"}
_MOST_NAMED = 8


def way_to_complete(parts: Collection[str]) -> str:
    """Return how a model with these parts completes images, to follow "completes"."""
    if set(parts) >= _ENCODING:
        return "with codes from its encoder, as in the paper"
    if "generator" in parts and _ENCODING.isdisjoint({*parts} - {"generator"}):
        return "by fitting random codes to each image (no encoder)"
    return "nothing: a part is missing"


def lacking(parts: Collection[str]) -> tuple[str, ...]:
    """Return what a model without some parts cannot do, a phrase for each."""
    reasons = {
        "encoder": "encode an image and mix its codes with random ones (no encoder, no mixer)",
        "skip_encoder": "refine (no skip encoder)",
        "familiarity": "warn of images that it does not know (no classifier)",
        "discriminator": "be trained further by itself (no discriminator)",
    }
    return tuple(phrase for part, phrase in reasons.items() if part not in parts)


def describe_abilities(
    title: str, resolution: int, parts: Collection[str], directions: Iterable[str]
) -> str:
    """Return one line about a model that can complete images.

    Args:
        title: what it knows; may be empty.
        resolution: in pixels.
        parts: that it has.
        directions: names of the directions that come with it.
    """
    names = sorted(directions)
    facts = (
        f"{title or 'untitled'}: {resolution} px",
        f"completes {way_to_complete(parts)}",
        "refines" if "skip_encoder" in parts else "does not refine",
        f"directions {listed(names, _MOST_NAMED)}"
        if names
        else "no named directions, but SeFa and GANSpace find some",
    )
    return "; ".join(facts)
