"""The file that touches ComfyUI, against stand-ins for ComfyUI's modules."""

import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image


@pytest.fixture
def host(part):
    return part("nodes.host")


@pytest.fixture
def management(monkeypatch):
    """What of comfy.model_management the host uses; `loads` records the calls."""
    loads = []
    module = SimpleNamespace(
        loads=loads,
        get_torch_device=lambda: torch.device("cpu"),
        intermediate_device=lambda: torch.device("meta"),
        unet_offload_device=lambda: torch.device("cpu"),
        load_models_gpu=lambda patchers, **options: loads.append((*patchers, options)),
    )
    monkeypatch.setitem(sys.modules, "comfy.model_management", module)
    patching = SimpleNamespace(
        ModelPatcher=lambda model, load_device, offload_device: SimpleNamespace(
            model=model, load_device=load_device, offload_device=offload_device
        )
    )
    monkeypatch.setitem(sys.modules, "comfy.model_patcher", patching)
    return module


def test_the_model_folder_is_registered_once(host, folder_paths, tmp_path):
    host.register_model_folder()
    host.register_model_folder()
    own = str(tmp_path / "models" / "diverse_inpainting")
    suffixes = {".safetensors", ".pkl", ".pt", ".pth", ".bin"}
    expected = {"diverse_inpainting": ([own], suffixes)}
    assert folder_paths.folder_names_and_paths == expected


def test_folders_of_extra_model_paths_stay(host, folder_paths, tmp_path):
    """ComfyUI registers them first, with an empty set of suffixes that means "every file"."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.safetensors", "a.pkl", "a.txt"):
        (other / name).write_bytes(b"")
    folder_paths.folder_names_and_paths["diverse_inpainting"] = ([str(other)], set())
    host.register_model_folder()
    own = str(tmp_path / "models" / "diverse_inpainting")
    assert host.model_folders() == [str(other), own]
    assert host.model_folder_files() == ["a.pkl", "a.safetensors"]
    assert host.model_folder_path("a.safetensors") == other / "a.safetensors"


def test_without_comfyui_nothing_is_registered_and_core_chooses(host, model_folder):
    host.register_model_folder()
    assert host.compute_device() is None
    assert host.model_folder_files() == []
    assert host.to_output(torch.ones(2)).device.type == "cpu"


def test_devices_are_those_of_comfyui(host, management):
    assert host.compute_device() == torch.device("cpu")
    assert host.to_output(torch.ones(2)).device.type == "meta"


def test_codes_go_where_comfyui_keeps_results(host, management, part):
    codes = part("core.latents").WPlus(torch.ones(1, 1, 8, 16), "0" * 64)
    moved = host.codes_to_output(codes)
    assert moved.codes.device.type == "meta"
    assert moved.generator_id == codes.generator_id


def test_erased_images_go_there_whole(host, management, classes, model_name, part, image, mask):
    model = classes["DI_LoadModel"]().execute(model_name, "float32")[0]
    erased = classes["DI_EncodeErased"]().execute(model, image, mask, "picture", 0.25)[0]
    tensors = (erased.original, erased.hole_mask, erased.erased, erased.valid)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert len(erased.crops) == 2


def test_steps_bring_erased_images_to_the_compute_device(
    part, management, monkeypatch, classes, model_name, image, mask
):
    management.intermediate_device = lambda: torch.device("cpu")
    management.get_torch_device = lambda: torch.device("cpu", 0)
    model = classes["DI_LoadModel"]().execute(model_name, "float32")[0]
    erased, codes, _ = classes["DI_EncodeErased"]().execute(model, image, mask, "picture", 0.25)
    targets, kind = [], part("core.geometry").Erased
    move = kind.to
    monkeypatch.setattr(kind, "to", lambda *args: targets.append(args[1]) or move(*args))
    images = classes["DI_SkipRefine"]().execute(model, erased, codes)[0]
    assert targets == [model.device]
    classes["DI_Composite"]().execute(erased, images, 0)
    assert targets == [model.device, torch.device("cpu", 0)]


@pytest.fixture
def loaded(classes, management, model_name):
    """A model from the loader, before any other node has used it."""
    return classes["DI_LoadModel"]().execute(model_name, "float32")[0]


def test_on_the_cpu_there_is_nothing_to_load(host, management, loaded):
    host.make_room_for(loaded, 8)
    assert management.loads == []


def test_comfyui_loads_a_model_when_a_node_uses_it(host, management, loaded):
    accelerator = torch.device("meta")
    management.get_torch_device = lambda: accelerator
    assert host.storage_device() == loaded.device == torch.device("cpu")
    host.make_room_for(loaded)
    ((patcher, options),) = management.loads
    assert patcher.model is loaded.model
    assert (patcher.load_device, patcher.offload_device) == (accelerator, torch.device("cpu"))
    assert options["force_full_load"] is True
    assert {p.device for p in loaded.model.parameters()} == {accelerator}, "wholly"
    assert not any(p.is_inference() for p in loaded.model.parameters())
    host.make_room_for(loaded)
    assert management.loads[1][0] is patcher, "ComfyUI knows a model as one"


def test_room_grows_with_images_up_to_what_core_computes_at_once(host, management, loaded):
    management.get_torch_device = lambda: torch.device("meta")
    with torch.inference_mode():
        for num_images in (1, 2, 32, 64):
            host.make_room_for(loaded, num_images)
    host.make_room_for_fitting(loaded)
    copies = 4 * sum(weight.numel() for weight in loaded.model.parameters())
    one, two, chunk, more, fitting = (
        options["memory_required"] - copies for _, options in management.loads
    )
    generator = loaded.config.generator
    assert one == 8 * generator.resolution * generator.channel_base * 4
    assert (two, chunk, more, fitting) == (2 * one, 32 * one, 32 * one, 32 * one)


NODES = {
    "DI_EncodeErased": ("model", "image", "mask", "crop_mode", "margin"),
    "DI_SampleW": ("model", "seed", "num_variants", "truncation_psi"),
    "DI_GatedMix": ("model", "encoded", "random", "gate_bias"),
    "DI_FitCodes": ("model", "erased", "codes", "steps"),
    "DI_DiscoverDirection": ("model", "method", "component", "first_layer", "last_layer"),
    "DI_Synthesize": ("model", "codes"),
    "DI_SkipRefine": ("model", "erased", "codes"),
    "DI_EditSliders": ("model", "codes", "sliders"),
}


@pytest.mark.parametrize("node_id", NODES)
def test_every_node_brings_the_model_to_the_device_first(
    classes, host, model, image, mask, monkeypatch, node_id
):
    erased, encoded, _ = classes["DI_EncodeErased"]().execute(model, image, mask, "picture", 0.25)
    values = {
        **{"model": model, "image": image, "mask": mask, "crop_mode": "picture", "margin": 0.25},
        **{"erased": erased, "codes": encoded, "encoded": encoded, "random": encoded, "steps": 1},
        **{"seed": 0, "num_variants": 1, "truncation_psi": 1.0, "gate_bias": 0.0},
        **{"method": "sefa", "component": 0, "first_layer": 0, "last_layer": -1},
        "sliders": '{"unknown": 1}',  # refused as soon as the model is used
    }

    class NotReadyError(Exception):
        pass

    def make_room_for(*args):
        raise NotReadyError

    monkeypatch.setattr(host, "make_room_for", make_room_for)
    with pytest.raises(NotReadyError):
        classes[node_id]().execute(**{name: values[name] for name in NODES[node_id]})


def test_models_are_read_to_where_comfyui_keeps_them(classes, management, model_name):
    management.get_torch_device = lambda: torch.device("cuda")
    management.unet_offload_device = lambda: torch.device("meta")  # refused by its name
    with pytest.raises(Exception, match="Device 'meta' is not available"):
        classes["DI_LoadModel"]().execute(model_name, "float32")


def test_steps_show_on_comfyuis_progress_bar(host, monkeypatch):
    shown = []
    bar = SimpleNamespace(update_absolute=lambda *values: shown.append(values))
    monkeypatch.setitem(sys.modules, "comfy.utils", SimpleNamespace(ProgressBar=lambda total: bar))
    host.step_bar()(3, 8)
    assert shown == [(3, 8)]
    monkeypatch.delitem(sys.modules, "comfy.utils")
    host.step_bar()(3, 8)
    assert len(shown) == 1


def test_a_warning_is_logged_and_shown_on_the_node(part, caplog):
    with_warnings = part("nodes.host").with_warnings
    assert with_warnings((1, 2), ()) == (1, 2) and not caplog.records
    shown = with_warnings((1, 2), ("Too dark.",))
    assert shown == {"ui": {"warnings": ["Too dark."]}, "result": (1, 2)}
    assert [record.getMessage() for record in caplog.records] == ["Too dark."]


def test_previews_are_small_files_named_after_what_they_show(
    host, folder_paths, tmp_path, monkeypatch
):
    folder_paths.get_temp_directory = lambda: str(tmp_path / "temp")
    images = torch.zeros(3, 40, 80, 3)
    images[1] = 1.0
    told = host.save_previews(images, 32)
    assert [one["type"] for one in told] == ["temp"] * 3
    assert told[0] == told[2] != told[1]
    with Image.open(tmp_path / "temp" / told[1]["filename"]) as small:
        assert small.size == (32, 16) and small.getpixel((5, 5)) == (255, 255, 255)
    assert host.save_previews(torch.zeros(1, 8, 9, 4), 32)[0] not in told
    monkeypatch.delitem(sys.modules, "folder_paths")
    assert host.save_previews(images, 32) == []
