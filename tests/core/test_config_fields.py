"""Dataclasses from plain data, and the checks of their fields."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from diverse_inpainting.core.config_fields import (
    check_fields,
    from_mapping,
    require_choices,
    require_positive,
)
from diverse_inpainting.core.errors import ConfigError

PAIR = "a list of length 2, each item"


@dataclass(frozen=True, kw_only=True)
class Cake:
    layers: int
    sugar: float = 0.5
    kind: Literal["sponge", "fruit"] = "sponge"
    is_iced: bool = True
    name: str = ""
    size: tuple[int, int] = (20, 30)
    toppings: tuple[str, ...] = ()
    candles: int | None = None
    extras: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)


def test_lists_become_tuples_and_the_rest_stays():
    cake = from_mapping(Cake, {"layers": 3, "size": [1, 2], "toppings": ["nut"]}, "[cake]")
    assert cake == Cake(layers=3, size=(1, 2), toppings=("nut",))


def test_all_unknown_and_missing_fields_are_listed():
    with pytest.raises(ConfigError) as caught:
        from_mapping(Cake, {"sugr": 1, "Kind": 2}, "[cake]", "Look again.")
    assert caught.value.expected.startswith("[cake] fields among candles, ")
    assert caught.value.got == "unknown: Kind, sugr; missing: layers"
    assert caught.value.remedy == "Look again."


@pytest.mark.parametrize("values", [None, 3, ["layers"], "layers"])
def test_what_is_no_table_is_refused(values):
    with pytest.raises(ConfigError, match=r"Expected a table \[cake\]"):
        from_mapping(Cake, values, "[cake]")


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("layers", [0, 10**9]),
        ("sugar", [0, 0.25, 3]),
        ("kind", ["fruit"]),
        ("is_iced", [False]),
        ("size", [(0, 0)]),
        ("toppings", [(), ("a", "b")]),
        ("candles", [None, 4]),
        ("extras", [{"a": 1}]),
    ],
)
def test_values_of_the_declared_type_pass(name, good):
    for value in good:
        assert getattr(Cake(**{"layers": 1, name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "bad", "wanted"),
    [
        ("layers", [-1, 1.0, True, "1", None], "a whole number >= 0"),
        ("sugar", [-0.1, float("nan"), float("inf"), True, "1"], "a number >= 0"),
        ("kind", ["choux", 1, None], "one of 'sponge', 'fruit'"),
        ("is_iced", [0, "yes"], "true or false"),
        ("name", [1, None], "text"),
        (
            "size",
            [(1,), (1, 2, 3), (1, -2), [1, 2], 3],
            "a list of length 2, each item a whole number >= 0",
        ),
        ("toppings", ["nut", (1,), None], "a list of any length, each item text"),
        ("candles", [-1, 1.5, "4"], "a whole number >= 0"),
        ("extras", [[], None], "dict"),
    ],
)
def test_values_of_another_type_are_refused(name, bad, wanted):
    for value in bad:
        with pytest.raises(ConfigError) as caught:
            Cake(**{"layers": 1, name: value})
        assert caught.value.expected == f"Cake.{name} to be {wanted}"
        assert caught.value.got == repr(value)


def test_positive_means_above_zero_in_tuples_as_well():
    require_positive(Cake(layers=1), "layers", "sugar", "size")
    for changes in ({"layers": 0}, {"layers": 1, "size": (1, 0)}):
        with pytest.raises(ConfigError, match="to be positive"):
            require_positive(Cake(**changes), "layers", "size")


def test_choices_are_listed():
    cake = Cake(layers=1, name="cheese", toppings=("nut", "fig"))
    require_choices(cake, "name", ("cheese", "plum"))
    require_choices(cake, "toppings", {"nut": 1, "fig": 2})
    with pytest.raises(ConfigError, match=r"Cake\.toppings among nut, date, got \('nut', 'fig'\)"):
        require_choices(cake, "toppings", ("nut", "date"))
