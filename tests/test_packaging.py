"""Packaging, the lazy root, loading as ComfyUI does, and the promises of the files at the top."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import diverse_inpainting
from layering import AREAS, PACK, python_files

DEMO_COMMAND = (
    "python3 -m venv .venv && . .venv/bin/activate && "
    'pip install -c constraints.txt -e ".[cli]" && diverse-inpainting demo'
)
TEST_COMMAND = (
    "python3 -m venv .venv && . .venv/bin/activate && "
    'pip install -c constraints.txt -e ".[test]" && pytest'
)
PUBLIC_NAMES = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "WEB_DIRECTORY",
    "Edit",
    "Inpainter",
    "WPlus",
    "__version__",
    "read_image",
    "read_mask",
]

# What ComfyUI's load_custom_node does with a folder (nodes.py, v0.3.64), then a report.
LOAD_AS_COMFYUI_DOES = """
import importlib.util, json, os, sys
module_path = sys.argv[1]
before = list(sys.path)
name = module_path.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, os.path.join(module_path, "__init__.py"))
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
after_import = {"torch", "numpy"} & set(sys.modules)
web = None
if hasattr(module, "WEB_DIRECTORY") and getattr(module, "WEB_DIRECTORY") is not None:
    web = os.path.abspath(os.path.join(module_path, getattr(module, "WEB_DIRECTORY")))
nodes = display = None
if hasattr(module, "NODE_CLASS_MAPPINGS") and getattr(module, "NODE_CLASS_MAPPINGS") is not None:
    nodes = sorted(module.NODE_CLASS_MAPPINGS)
    if hasattr(module, "NODE_DISPLAY_NAME_MAPPINGS"):
        display = sorted(module.NODE_DISPLAY_NAME_MAPPINGS)
print(json.dumps({
    "web_exists": web is not None and os.path.isdir(web),
    "nodes": nodes, "display": display,
    "heavy": sorted(after_import), "path_unchanged": before == sys.path,
    "top_level": sorted({"core", "nodes", "training", "diverse_inpainting"} & set(sys.modules)),
    "version": module.__version__,
}))
"""


def run_python(code, *args, cwd):
    """Run code in a new interpreter that sees neither the checkout nor the user's variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def requirement_name(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


# --- the package ---


def test_every_folder_with_python_files_is_packaged(root, project):
    folders = {path.parent.relative_to(root).parts for path in python_files(root)}
    expected = {".".join((PACK, *parts)) for parts in folders}
    assert set(project["tool"]["setuptools"]["packages"]) == expected


def test_every_packaged_folder_has_an_init(root):
    folders = {path.parent for path in python_files(root)}
    assert [f for f in folders if not (f / "__init__.py").is_file()] == []


def test_dependencies_are_what_comfyui_lacks_and_nothing_else(root, project):
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert required == project["project"]["dependencies"]
    assert [requirement_name(r) for r in required] == ["huggingface-hub"]


def test_constraints_pin_everything_that_is_installed(root, project):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin)] == []
    pinned = {requirement_name(pin) for pin in pins}
    extras = project["project"]["optional-dependencies"].values()
    wanted = {requirement_name(r) for r in project["project"]["dependencies"]}
    wanted |= {requirement_name(r) for extra in extras for r in extra}
    assert wanted - {"diverse-inpainting"} <= pinned


def test_the_registry_page_has_no_second_web_folder(project):
    comfy = project["tool"]["comfy"]
    assert "web" not in comfy
    assert comfy["DisplayName"] == "Diverse Inpainting"


def test_comfyui_loads_only_scripts_that_are_for_it(root):
    """Its server lists every .js below WEB_DIRECTORY; the live page's are .mjs."""
    scripts = [path.relative_to(root) for path in (root / "web").rglob("*.js")]
    assert {path.parent.as_posix() for path in scripts} == {"web/js"}


def left_out_of_the_registry(root, path):
    """Return whether .comfyignore names the file or a folder above it."""
    lines = (root / ".comfyignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip("/") for line in lines if line and not line.startswith("#")]
    relative = path.relative_to(root)
    return any(str(part) in patterns for part in (relative, *relative.parents))


def test_the_registrys_zip_has_every_file_that_the_readme_links_to(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    linked = [root / target for target in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    linked.append(root / "constraints.txt")
    assert len(linked) > 20
    assert [p.name for p in linked if not p.exists() or left_out_of_the_registry(root, p)] == []


def test_the_registrys_zip_is_small(root):
    """Weights do not compress, so that the sum of the sizes is nearly the zip's."""
    folders = ("core", "web", "docs", "training", "example_workflows", "locales")
    files = [p for folder in folders for p in (root / folder).rglob("*") if p.is_file()]
    zipped = [p for p in files if "__pycache__" not in p.parts]
    sizes = [p.stat().st_size for p in zipped if not left_out_of_the_registry(root, p)]
    assert 20e6 < sum(sizes) < 32e6


def test_version_agrees_in_all_files(root, project):
    version = project["project"]["version"]
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE)
    assert f"## [{version}]" in (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert diverse_inpainting.__version__ == version


def test_pre_commit_runs_the_pinned_ruff(root):
    hooks = (root / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pins = (root / "constraints.txt").read_text(encoding="utf-8")
    version = re.search(r"ruff-pre-commit\n    rev: v([\d.]+)", hooks)[1]
    assert f"\nruff=={version}\n" in pins


def test_github_runs_what_everybody_can_run(root):
    workflow = (root / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "- run: .ci/run\n" in workflow
    assert os.access(root / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("command", [DEMO_COMMAND, TEST_COMMAND], ids=["demo", "test"])
@pytest.mark.parametrize("name", ["README.md", ".ci/run"])
def test_the_two_commands_stand_literally(root, name, command):
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    assert command in [line.strip() for line in lines]


@pytest.mark.slow
def test_a_wheel_holds_and_imports_everything(root, project, tmp_path):
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "target"
    skipped = ignore_patterns(".*", "build", "dist", "data", "runs", "*.egg-info", "__pycache__")
    copytree(root, source, ignore=skipped)
    pip = [sys.executable, "-m", "pip"]
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source)]
    subprocess.run([*pip, *build], check=True)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        inside = {n for n in wheel.namelist() if n.startswith(f"{PACK}/")}
        wheel.extractall(target)
    data = ["core/weights", "training/recipes", "training/state", "web", "locales"]
    data += ["core/directions/recipes", "example_workflows", "subgraphs"]
    expected = {p.relative_to(source) for p in python_files(source)}
    expected |= {
        p.relative_to(source) for d in data for p in (source / d).rglob("*") if p.is_file()
    }
    assert inside == {f"{PACK}/{path.as_posix()}" for path in expected}
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "import diverse_inpainting as pack, json\n"
        "print(json.dumps([pack.__file__, pack.__version__, sorted(pack.NODE_CLASS_MAPPINGS)]))\n"
        "pack.Inpainter, pack.Edit\n"
    )
    result = run_python(code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    origin, version, nodes = json.loads(result.stdout)
    assert version == project["project"]["version"], "no checkout is there: pip's record says it"
    assert Path(origin) == target / PACK / "__init__.py"
    assert nodes == sorted(diverse_inpainting.NODE_CLASS_MAPPINGS)


# --- the root module ---


def test_public_names():
    assert diverse_inpainting.__all__ == PUBLIC_NAMES
    assert set(PUBLIC_NAMES) <= set(dir(diverse_inpainting))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        diverse_inpainting.Nonsense


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_every_public_name_is_there(name):
    assert getattr(diverse_inpainting, name) is getattr(diverse_inpainting, name)


def test_importing_core_pulls_in_neither_nodes_nor_torch(root, tmp_path):
    code = (
        "import importlib.util as u, sys\n"
        "spec = u.spec_from_file_location('pack', sys.argv[1])\n"
        "sys.modules['pack'] = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(sys.modules['pack'])\n"
        "import pack.core, pack.core.errors, pack.core.checks\n"
        "print(sorted(n for n in sys.modules if n in ('torch', 'numpy', 'pack.nodes')))\n"
    )
    result = run_python(code, root / "__init__.py", cwd=tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


# --- as ComfyUI loads it ---


@pytest.mark.parametrize("folder", ["a-b", "a_b", "a.b", "a b"])
def test_loads_as_comfyui_does_from_any_folder(root, project, tmp_path, folder):
    (tmp_path / "custom_nodes").mkdir()
    pack = tmp_path / "custom_nodes" / folder
    pack.symlink_to(root, target_is_directory=True)
    result = run_python(LOAD_AS_COMFYUI_DOES, pack, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["web_exists"]
    assert report["path_unchanged"]
    assert report["heavy"] == [], "the root module itself imports something heavy"
    assert report["top_level"] == [], "an absolute import took a name that belongs to others"
    assert report["nodes"] == report["display"]
    assert "DI_Inpaint" in report["nodes"]
    assert report["version"] == project["project"]["version"]
    assert all(node.startswith("DI_") for node in report["nodes"])


def test_a_broken_nodes_module_is_reported_not_hidden(root, tmp_path):
    """hasattr() swallows AttributeError: ComfyUI would say that the pack has no nodes."""
    (tmp_path / "nodes").mkdir()
    source = (root / "__init__.py").read_text(encoding="utf-8")
    (tmp_path / "__init__.py").write_text(source, encoding="utf-8")
    (tmp_path / "nodes" / "__init__.py").write_text("import os\nos.nonsense\n", encoding="utf-8")
    result = run_python(LOAD_AS_COMFYUI_DOES, tmp_path, cwd=tmp_path)
    assert result.returncode != 0
    assert "ImportError" in result.stderr
    assert "nonsense" in result.stderr


def test_areas_are_the_folders_that_the_user_fixed(root):
    assert all((root / area).is_dir() for area in AREAS)
