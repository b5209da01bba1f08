"""The command line in this process, in an empty folder, with a tiny model."""

import sys

import pytest

import answers
import tiny_model
from diverse_inpainting.cli import main as command_line
from diverse_inpainting.core import networks
from diverse_inpainting.core.checkpoint import Checkpoint, generator_id_of, write_checkpoint


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def answer(*arguments):
        monkeypatch.setattr(sys, "argv", ["diverse-inpainting", *map(str, arguments)])
        code = 0
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return answers.Answer(code, out, err)

    return answer


@pytest.fixture
def inpaint(run, tiny_checkpoint):
    """Run `inpaint` with the tiny model, two variants by default."""

    def answer(*arguments):
        return run("inpaint", "--model", tiny_checkpoint, "--variants", 2, *arguments)

    return answer


@pytest.fixture(scope="session")
def generator_alone(tmp_path_factory):
    """A model like a converted file: a generator without encoder."""
    config = networks.ModelConfig(generator=tiny_model.config().generator)
    tensors = dict(tiny_model.build_lively(config).state_dict())
    path = tmp_path_factory.mktemp("model") / "alone.safetensors"
    own_id = generator_id_of(tensors)
    write_checkpoint(path, Checkpoint(config=config, tensors=tensors, generator_id=own_id))
    return path


@pytest.fixture
def own_directions(run, generator_alone):
    """Run `directions` with a generator alone."""

    def answer(command, *arguments):
        return run("directions", command, *arguments, "--model", generator_alone)

    return answer
