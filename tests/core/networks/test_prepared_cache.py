"""When prepared networks are used, and when they are made again."""

import copy
import dataclasses
import io
import pickle
import threading

import pytest
import torch

import recalled_graphs
import tiny_model
from diverse_inpainting.core.networks import build
from diverse_inpainting.core.networks.prepared import PreparedSynthesis
from diverse_inpainting.core.networks.prepared.cache import PreparedNetworks

L, D = 8, 16


@pytest.fixture
def model():
    return tiny_model.build_lively().eval().requires_grad_(False).prepare()


@pytest.fixture
def ws(generator):
    return torch.randn(2, L, D, generator=generator)


@pytest.fixture
def made(monkeypatch):
    """The number of synthesis networks prepared so far."""
    count = []
    original = PreparedSynthesis.__init__

    def counted(self, *args):
        count.append(1)
        original(self, *args)

    monkeypatch.setattr(PreparedSynthesis, "__init__", counted)
    return count


def plain(model, ws):
    with torch.no_grad():
        return model.generator.synthesis(ws, memory_format=torch.channels_last)


def assert_follows(model, ws):
    with torch.no_grad():
        image = model.synthesize(ws)
    expected = plain(model, ws)
    assert (image - expected).abs().max() <= 5e-5 * expected.std()
    return image


def test_is_made_once(model, ws, made):
    with torch.no_grad():
        first, second = model.synthesize(ws), model.synthesize(ws)
    with torch.inference_mode():
        third = model.synthesize(ws)
    assert len(made) == 1
    assert torch.equal(first, second) and torch.equal(first, third)


def test_is_made_for_each_type_of_maps(model, ws, made):
    with torch.no_grad():
        exact = model.synthesize(ws)
        model.feature_dtype = torch.bfloat16
        half = model.synthesize(ws)
    assert len(made) == 2 and not torch.equal(exact, half)


def test_only_on_request(ws, made):
    model = tiny_model.build_lively().eval().requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(model.synthesize(ws), plain(model, ws))
    assert not made


def test_not_in_training(model, ws, made):
    model.train()
    with torch.no_grad():
        assert torch.equal(model.synthesize(ws), plain(model, ws))
    assert not made


def test_with_gradients_of_codes_but_not_of_weights(model, ws, made):
    model.synthesize(ws.clone().requires_grad_()).sum().backward()
    assert len(made) == 1
    model.generator.requires_grad_(True)
    model.synthesize(ws).sum().backward()
    assert model.generator.synthesis.const.grad.abs().sum() > 0
    assert len(made) == 1


def test_gradients_after_a_first_use_in_inference_mode(model, ws):
    """What is made there serves autograd, too."""
    with torch.inference_mode():
        model.synthesize(ws)
    model.synthesize(ws.clone().requires_grad_()).sum().backward()


def test_encoders_have_no_gradients_of_their_own(model, ws):
    """Whoever wants some gets those of the modules."""
    erased, valid = torch.zeros(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    model.encode(erased.requires_grad_(), valid).sum().backward()
    assert erased.grad.abs().sum() > 0
    model.refine(ws, erased, valid).output.sum().backward()


def test_not_on_other_devices(model, ws, made):
    model.to("meta")
    with torch.no_grad():
        assert model.synthesize(ws.to("meta")).shape == (2, 3, 32, 32)
    assert not made


def test_not_while_exporting(model, ws, made, monkeypatch):
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    with torch.no_grad():
        assert torch.equal(model.synthesize(ws), plain(model, ws))
    assert not made


def test_not_while_compiling(model, ws, made, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with torch.no_grad():
        model.synthesize(ws)
    assert not made


@pytest.mark.parametrize("kind", ["small", "psp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_preparing_leaves_the_weights_alone(dtype, kind):
    """In inference mode, too, where PyTorch forbids to change them outside of it."""
    with torch.inference_mode():
        config = tiny_model.config()
        encoder = dataclasses.replace(config.encoder, kind=kind, depths=(1, 1, 1, 1))
        model = tiny_model.build_lively(dataclasses.replace(config, encoder=encoder))
        model.eval().prepare().feature_dtype = dtype
        stages(model, torch.randn(1, L, D), torch.randn(1, 3, 32, 32))
    model = model.with_parts(copy.deepcopy(model.parts)).eval()
    made = []
    for _ in range(2):
        stages(model, torch.randn(1, L, D), torch.randn(1, 3, 32, 32))
        made.append({name: entry.prepared for name, entry in model._prepared._entries.items()})
    assert len(made[0]) == 5 and made[0] == made[1]


def test_moving_to_where_it_is_keeps_it(model, ws, made):
    """ComfyUI's nodes do so each time they use a model."""
    with torch.no_grad():
        image = model.synthesize(ws)
        assert torch.equal(model.to("cpu").float().synthesize(ws), image)
    assert len(made) == 1


def test_moving_elsewhere_frees_it_at_once(model, ws):
    with torch.no_grad():
        model.synthesize(ws)
    assert model._prepared._entries
    graphs = model._prepared.graphs
    model.double()
    assert not model._prepared._entries and model._prepared.graphs is not graphs


@pytest.mark.parametrize(
    "name", ["blocks.1.conv0.weight", "blocks.2.conv1.noise", "blocks.0.to_rgb.bias", "const"]
)
def test_weights_changed_in_place_are_noticed(model, ws, name):
    before = assert_follows(model, ws)
    tensors = {
        **dict(model.generator.synthesis.named_parameters()),
        **dict(model.generator.synthesis.named_buffers()),
    }
    with torch.no_grad():
        tensors[name].add_(1.0)
    assert (assert_follows(model, ws) - before).abs().max() > 1e-3


def test_loaded_weights_are_noticed(model, ws):
    before = assert_follows(model, ws)
    other = tiny_model.build_lively()
    state = {name: value * 1.5 for name, value in other.state_dict().items()}
    model.load_state_dict(state)
    after = assert_follows(model, ws)
    assert (after - before).abs().max() > 1e-3
    model.load_state_dict(other.state_dict(), assign=True)
    assert (assert_follows(model, ws) - before).abs().max() < 1e-3


def test_weights_loaded_in_inference_mode_are_noticed(ws):
    """As in ComfyUI, where tensors do not count changes."""
    with torch.inference_mode():
        model = tiny_model.build_lively().eval().prepare()
        before = model.synthesize(ws)
        model.load_state_dict({k: v * 1.5 for k, v in model.state_dict().items()})
        assert (model.synthesize(ws) - before).abs().max() > 1e-3


def test_moving_to_another_type_is_noticed(model, ws):
    """Networks of another type than float32 are not prepared; and back, they are rounded."""
    before = assert_follows(model, ws)
    model.double()
    with torch.no_grad():
        assert torch.equal(
            model.generator.synthesis(ws.double(), dtype=torch.float32),
            model.generator.synthesis(ws.double(), dtype=torch.float32),
        )
    model.to(torch.bfloat16).float()
    assert (assert_follows(model, ws) - before).abs().max() > 1e-4


def test_a_part_that_is_moved_is_noticed(model, ws):
    before = assert_follows(model, ws)
    model.generator.to(torch.bfloat16).float()
    assert (assert_follows(model, ws) - before).abs().max() > 1e-4


def test_state_is_that_of_the_networks(model, ws):
    keys = list(model.state_dict())
    with torch.no_grad():
        model.synthesize(ws)
    assert list(model.state_dict()) == keys == list(build(tiny_model.config()).state_dict())


def test_a_copy_has_its_own(model, ws):
    with torch.no_grad():
        image = model.synthesize(ws)
        copied = copy.deepcopy(model)
        copied.generator.synthesis.const.add_(1.0)
        assert (assert_follows(copied, ws) - image).abs().max() > 1e-3
        assert torch.equal(model.synthesize(ws), image)


def test_what_is_saved_does_not_hold_it(model, ws):
    def size():
        buffer = io.BytesIO()
        torch.save(model, buffer)
        return buffer.tell()

    before = size()
    with torch.no_grad():
        model.synthesize(ws)
    assert size() == before
    networks = pickle.loads(pickle.dumps(model._prepared))
    assert isinstance(networks, PreparedNetworks) and not networks._entries


def test_threads_share_it(model, ws, made):
    images, start = [], threading.Barrier(4)

    def run():
        start.wait()
        with torch.no_grad():
            images.append(model.synthesize(ws))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(images) == 4
    assert all(torch.equal(image, images[0]) for image in images)


def test_models_of_the_same_networks_have_their_own(model, ws, made):
    other = model.with_parts({})
    with torch.no_grad():
        assert torch.equal(model.synthesize(ws), other.synthesize(ws))
    assert len(made) == 2


def stages(model, ws, image):
    """Return what every stage makes of some codes and an image."""
    valid = (image[:, :1] > 0).float()
    with torch.no_grad():
        w = model.map(ws[:, 0])
        w_enc = model.encode(image * valid, valid)
        w_out, gate = model.mix(w_enc, ws)
        stage1 = model.synthesize(w_out)
        refined = model.refine(w_out, image * valid, valid)
        edited = model.refine(w_out, image * valid, valid, ws)
    return w, w_enc, w_out, gate, stage1, *refined, *edited


def test_stages_replayed_as_graphs_give_what_they_give_when_called(model, generator, monkeypatch):
    batches = [
        (torch.randn(2, L, D, generator=generator), torch.randn(2, 3, 32, 32)) for _ in "123"
    ]
    called = [stages(model, *batch) for batch in batches]
    captured = recalled_graphs.stand_in(monkeypatch)
    replayed = [stages(model, *batch) for batch in batches]
    assert len(captured) == 6
    for ours, theirs in zip(replayed, called, strict=True):
        for found, expected in zip(ours, theirs, strict=True):
            assert torch.equal(found, expected)


def test_graphs_are_captured_again_when_weights_change(model, generator, monkeypatch):
    ws, image = torch.randn(2, L, D, generator=generator), torch.randn(2, 3, 32, 32)
    captured = recalled_graphs.stand_in(monkeypatch)
    for part in (model.generator.mapping, model.encoder, model.mixer, model.skip_encoder):
        for _ in range(2):
            before = stages(model, ws, image)
        captured.clear()
        for weight in part.parameters():
            # Replaced, as programs do that move weights between devices.
            weight.data = weight + 0.05
        after = stages(model, ws, image)
        assert not captured, "a first call captures nothing"
        assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
