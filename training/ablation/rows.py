"""What the ablation trains: the rows of Table 3, and the deterministic baseline."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One model."""

    name: str
    """As tables call it."""
    recipe: str
    """Bundled recipe."""
    stage: Literal["stage1", "stage2"]
    """Its last stage, which is measured."""
    meaning: str
    """What sets it apart."""
    stage1_of: str = ""
    """Name of the row whose stage 1 a model with stage 2 goes on from."""


ROWS = {
    row.name: row
    for row in (
        Row("pSp", "psp-baseline", "stage1", "photographs, no random code"),
        Row("1", "table3-model1", "stage1", "photographs, valid pixels only"),
        Row("2", "table3-model2", "stage2", "1 with stage 2", stage1_of="1"),
        Row("3", "table3-model3", "stage1", "full reconstruction, no gate"),
        Row("4", "table3-model4", "stage1", "full reconstruction, gate"),
        Row("5", "table3-model5", "stage2", "4 with stage 2", stage1_of="4"),
    )
}
"""By name; a row comes after the one that it goes on from."""
