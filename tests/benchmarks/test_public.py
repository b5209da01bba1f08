"""Public implementations are timed only where they make the same as ours."""

import sys

import pytest
import torch

import import_parity
from diverse_inpainting.core.checkpoint.importers import nvidia, rosinality


@pytest.mark.parametrize(
    ("case", "translate"),
    [
        ("nvidia", nvidia.translate_generator),
        ("rosinality", rosinality.translate_generator),
    ],
)
def test_weights_go_where_the_importers_take_them_from(script, tmp_path, case, translate):
    golden, imported = import_parity.imported_case(case, tmp_path / "file")
    generator, _ = import_parity.networks_of(imported, torch.float32)
    before = {
        name.split(".", 1)[1]: tensor
        for name, tensor in golden.source.items()
        if name.startswith(("G_ema.", "g_ema."))
    }

    class Theirs(torch.nn.Module):
        """Their names and shapes, without their values."""

        def state_dict(self):
            return values

    values = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    script("public")._give_weights(generator, Theirs(), translate)
    for name, value in values.items():
        if value.any():
            assert torch.equal(value, before[name]), name
    num_set = sum(bool(value.any()) for value in values.values())
    assert num_set >= len(generator.state_dict()) - 1, "all but the mean code"


def test_what_disagrees_is_not_timed(script, capsys):
    public = script("public")
    image = torch.tensor([-1.0, 1.0]).repeat(96).view(1, 3, 8, 8)  # with a deviation of 1
    public.check_agreement("theirs", image + 1e-5, image)
    assert "largest difference 1." in capsys.readouterr().out
    for wrong in (image + 0.1, image * float("nan")):
        with pytest.raises(SystemExit, match="theirs computes something else"):
            public.check_agreement("theirs", wrong, image)


def test_only_a_checkout_is_imported_and_forgotten(script, tmp_path):
    public = script("public")
    with (
        pytest.raises(SystemExit, match="checkout with the folder op"),
        public.checkout(str(tmp_path), "op"),
    ):
        pass
    folder = tmp_path / "op"
    folder.mkdir()
    compiles = "from torch.utils.cpp_extension import load\nbuilt = load('x', ['x.cu'])\n"
    (folder / "__init__.py").write_text(compiles)
    with public.checkout(str(tmp_path), "op"):
        import op

        assert op.built is None, "nothing is compiled"
    assert "op" not in sys.modules and str(tmp_path) not in sys.path
