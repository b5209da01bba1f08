"""Which lines the plots have; images of them are checked with the command."""

from diverse_inpainting.evaluation import plots
from diverse_inpainting.evaluation.bootstrap import HALVES
from diverse_inpainting.evaluation.plan import Evaluation
from diverse_inpainting.evaluation.types import Estimate


def test_many_methods_have_lines_of_their_own():
    """Twelve rivals and two baselines; the original's perfect values would flatten the others."""
    names = [*(f"rival{k}" for k in range(12)), "mean-colour", "original"]
    buckets = {
        name: {half.label: {"swd": Estimate(k + 1.0, k + 0.5, k + 2.0)} for half in HALVES}
        for k, name in enumerate(names)
    }
    del buckets["rival3"][HALVES[0].label]
    found = Evaluation(methods={}, per_image={}, buckets=buckets, facts={})
    axes, legend, *_ = plots._draw(found, HALVES).axes
    drawn = [bars.lines[0] for bars in axes.containers]
    assert len(drawn) == 13
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in drawn]
    assert len(set(looks)) == 13
    assert [line.get_linestyle() for line in drawn].count("--") == 1, "baselines are dashed"
    assert list(drawn[0].get_xdata()) == [0.2, 0.7] and list(drawn[3].get_xdata()) == [0.7]
    assert [text.get_text() for text in legend.get_legend().get_texts()] == names[:-1]
