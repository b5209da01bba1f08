"""`scale`: the options of `inpaint`, and Ray itself on two cores."""

import importlib.util
import json
import socket
import subprocess
import sys

import pytest
import typer.main

from answers import box, noise, pixels, refused, save
from diverse_inpainting.cli.main import app

COMMANDS = typer.main.get_command(app).commands
OWN = {"--actors", "--gpus-per-actor", "--address"}
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs the extra `scale`")


def options_of(name):
    facts = ("default", "required", "multiple", "nargs", "help", "metavar")
    return {tuple(p.opts): [getattr(p, k, None) for k in facts] for p in COMMANDS[name].params}


def test_the_options_are_those_of_inpaint():
    scale = options_of("scale")
    for options in [options for options in scale if OWN.intersection(options)]:
        del scale[options]
    assert scale == options_of("inpaint")


def test_help_names_its_own_options(run):
    answer = run("scale", "--help")
    assert all(option in answer.out for option in OWN)


def test_without_the_extra_it_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    save(tmp_path / "a.png", noise(8, 8))
    answer = run("scale", "a.png", "--out", "out")
    assert answer.err == "ray is not installed. Run: pip install 'diverse-inpainting[scale]'\n"
    assert (answer.code, answer.out, (tmp_path / "out").exists()) == (2, "", False)


@pytest.fixture
def folder(tmp_path):
    """Six images, a damaged one, a mask."""
    for k in range(6):
        save(tmp_path / "in" / f"p{k}.png", noise(64, 64))
    (tmp_path / "in" / "bad.png").write_text("no")
    save(tmp_path / "m.png", box(64, 64))
    return tmp_path


@pytest.fixture
def start(tiny_checkpoint, folder):
    """Start `scale` in a process of its own, with two actors and two variants by default."""
    started = []

    def answer(*arguments, actors=2):
        command = [sys.executable, "-m", "diverse_inpainting", "scale", "--model", tiny_checkpoint]
        command += ["--variants", "2", "--actors", str(actors), "--json", *arguments]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(list(map(str, command)), cwd=folder, **pipe))
        return started[-1]

    yield answer
    for process in started:
        process.kill()
        process.wait()


def finish(process):
    """Return exit code, a line for each image, the summary, and stderr."""
    out, err = process.communicate(timeout=300)
    *lines, summary = [json.loads(line) for line in out.splitlines()] or [None]
    return process.returncode, {line["picture"]: line for line in lines}, summary, err


def actors_below(process):
    """Return the processes that hold the model, of the Ray that a process started."""
    import psutil  # accelerate requires it

    below = psutil.Process(process.pid).children(recursive=True)
    return [one for one in below if "ray::MapWorker" in " ".join(one.cmdline())]


@needs_ray
@pytest.mark.slow
def test_two_actors_give_what_inpaint_gives(start, run, inpaint, folder):
    code, lines, summary, err = finish(start("in", "--mask", "m.png", "--out", "out"))
    assert (code, err) == (1, ""), "the damaged image is recorded; Ray is quiet"
    assert (summary["done"], summary["failed"], len(lines)) == (6, 1, 7)
    assert inpaint("in", "--mask", "m.png", "--out", "same").code == 1
    there, here = ({p.name for p in (folder / out).iterdir()} for out in ("out", "same"))
    assert there == here
    for name in here:
        difference = abs(pixels(folder / "out" / name) - pixels(folder / "same" / name))
        assert difference.max() <= 1, name
    again = inpaint("in", "--mask", "m.png", "--out", "out", "--json")
    assert json.loads(again.out.splitlines()[-1])["skipped"] == 6, "the records are the same"


@needs_ray
@pytest.mark.slow
def test_a_killed_actor_loses_nothing(start, folder):
    for k in range(40):
        save(folder / "in" / f"q{k}.png", noise(64, 64))
    process = start("in", "--mask", "m.png", "--out", "out", "--fit", 20)
    first = process.stdout.readline()
    actors_below(process)[0].kill()
    _code, lines, summary, _err = finish(process)
    lines[json.loads(first)["picture"]] = json.loads(first)
    assert len(lines) == 47
    assert {name: summary[name] for name in ("done", "skipped", "stale")} == {
        "done": 46, "skipped": 0, "stale": 0
    }  # fmt: skip
    assert summary["failed"] == 1
    assert len(list((folder / "out").glob("[pq]*"))) == 46 * 3
    assert not list((folder / "out").glob(".*.unfinished"))


@needs_ray
@pytest.mark.slow
def test_images_and_results_in_a_store(start, folder):
    here = f"local://{folder}"
    arguments = (f"{here}/in", "--mask", f"{here}/m.png", "--out", f"{here}/out")
    code, lines, summary, err = finish(start(*arguments, actors=1))
    assert (code, summary["done"], err) == (1, 6, "")
    assert lines[f"{here}/in/p0.png"]["results"] == [f"{here}/out/p0-{k}.png" for k in range(2)]
    assert len(list((folder / "out").glob("p*"))) == 18


@needs_ray
@pytest.mark.slow
def test_more_actors_than_cores_are_refused(run, tiny_checkpoint, folder):
    answer = run("scale", "in", "--mask", "m.png", "--out", "out", "--model", tiny_checkpoint,
                 "--actors", 10_000)  # fmt: skip
    assert refused(answer)
    assert "10000" in answer.err


@needs_ray
def test_an_address_where_nothing_listens_is_refused_at_once(run, tiny_checkpoint, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        arguments = ("in", "--mask", "m.png", "--out", "out", "--model", tiny_checkpoint)
        answer = run("scale", *arguments, "--address", address)
    assert refused(answer)
    assert address in answer.err


def test_a_dry_run_of_a_store_is_refused(run, folder):
    assert refused(run("scale", f"local://{folder}/in", "--out", "out", "--dry-run"))


@needs_ray
def test_a_dry_run_of_folders(run, folder):
    answer = run("scale", f"file://{folder}/in", "--mask", "m.png", "--out", "out", "--dry-run")
    assert answer.code == 1
    assert "6 to complete, 1 not" in answer.out


@needs_ray
def test_errors_name_the_store(run, folder):
    answer = run("scale", f"local://{folder}/in", "--mask", f"local://{folder}/in", "--out", "out")
    assert refused(answer)
    assert f"the same folder, local://{folder}/in." in answer.err
    answer = run("scale", f"local://{folder}/absent", "--out", f"local://{folder}/out")
    assert answer.err.startswith(f"The image or folder local://{folder}/absent does not exist")


@needs_ray
def test_a_shard_without_images_is_no_error(run, tiny_checkpoint, folder):
    arguments = ("in", "--mask", "m.png", "--out", "out", "--model", tiny_checkpoint)
    answer = run("scale", *arguments, "--shard", "8/8")
    assert (answer.code, answer.out) == (0, "0 done, 0 skipped, 0 failed; results in out\n")
