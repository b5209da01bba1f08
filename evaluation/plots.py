"""Each metric against the hole ratio, as in the paper's Fig. 5."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .baselines import NAMES as BASELINES
from .bootstrap import HALVES, STEPS, Bucket
from .plan import Evaluation
from .report import ROWS, measured

_PERFECT = "original"
_COLUMNS = 4
_SIDE_INCHES = 3.2
_COLOURS, _MARKERS = 10, "os^D"  # matplotlib's cycle of colours; the eleventh line differs in form


def write_plots(evaluation: Evaluation, out: Path) -> None:
    """Write plot-steps.png (0.2 steps) and plot-fig5.png (easy and difficult) into a folder.

    Vertical bars are the intervals of the report. Baselines are dashed; the original is left out,
    because its perfect values would flatten the others.
    """
    for file, buckets in (("plot-steps.png", STEPS), ("plot-fig5.png", HALVES)):
        _draw(evaluation, buckets).savefig(out / file, dpi=100)


def _draw(evaluation: Evaluation, buckets: tuple[Bucket, ...]) -> Figure:
    names = measured([column for found in evaluation.buckets.values() for column in found.values()])
    num_rows = math.ceil((len(names) + 1) / _COLUMNS)  # one more for the legend
    figure = Figure(figsize=(_SIDE_INCHES * _COLUMNS, _SIDE_INCHES * num_rows))
    margin = 0.6 / num_rows  # for titles and axis labels; an automatic layout takes seconds
    figure.subplots_adjust(
        left=0.05, right=0.98, bottom=margin / 3, top=1 - margin / 4, wspace=0.25, hspace=0.4
    )
    places = figure.subplots(num_rows, _COLUMNS, squeeze=False).flatten()
    handles = {}
    for axes, name in zip(places, names, strict=False):
        handles |= _draw_metric(axes, evaluation, name, buckets)
    for axes in places[len(names) :]:
        axes.set_axis_off()
    places[len(names)].legend(handles.values(), handles.keys(), loc="center")
    return figure


def _draw_metric(
    axes: Axes, evaluation: Evaluation, name: str, buckets: tuple[Bucket, ...]
) -> dict[str, object]:
    """Return the lines by method."""
    lines = {}
    for number, (method, by_bucket) in enumerate(evaluation.buckets.items()):
        found = [b for b in buckets if name in by_bucket.get(b.label, {})]
        if method == _PERFECT or not found:
            continue
        estimates = [by_bucket[bucket.label][name] for bucket in found]
        below = [0 if e.low is None else max(e.value - e.low, 0) for e in estimates]
        above = [0 if e.high is None else max(e.high - e.value, 0) for e in estimates]
        lines[method] = axes.errorbar(
            [bucket.middle for bucket in found],
            [estimate.value for estimate in estimates],
            yerr=[below, above],
            color=f"C{number % _COLOURS}",
            linestyle="--" if method in BASELINES else "-",
            marker=_MARKERS[number // _COLOURS % len(_MARKERS)],
            markersize=3,
            linewidth=1,
        )
    better = f" (better: {ROWS[name].better})" if ROWS[name].better else ""
    axes.set_title(ROWS[name].label + better, fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("hole ratio", fontsize=8)
    axes.tick_params(labelsize=7)
    return lines
