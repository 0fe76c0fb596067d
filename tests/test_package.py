"""The package as a whole: quick to import, every public name described and tried."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import endmember as em

PACKAGE = Path(em.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages(em.__path__, "endmember."))
ROOMS = {name: getattr(em, name).__all__ for name in ("datasets", "metrics", "teaching")}
PUBLIC = [
    *(f"em.{name}" for name in em.__all__ if name not in ROOMS),
    *(f"em.{room}.{name}" for room, names in ROOMS.items() for name in names),
]


def resolve(name):
    """The object behind a public name such as ``"em.PCA"``."""
    return eval(name, {"em": em})


# import


def test_import_loads_no_heavy_library():
    code = "import sys, endmember; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = "numba sklearn scipy numpy dask ipywidgets bqplot anywidget IPython hyperspy rsciio"
    assert not set(run.stdout.split()) & set(heavy.split())


@pytest.mark.alone
def test_import_costs_less_than_50_ms():
    def seconds(code):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    seconds("import endmember")  # leaves the bytecode behind
    pairs = [(seconds("pass"), seconds("import endmember")) for _ in range(9)]
    bare, loaded = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import endmember: {1000 * (loaded - bare):.1f} ms above {1000 * bare:.1f} ms")
    assert loaded - bare < 0.05


# public names


def test_public_names_are_listed_and_resolve():
    assert {"SpectrumImage", "PCA", "as_spectrum_image", "open", "datasets"} <= set(em.__all__)
    assert set(em.__all__) <= set(dir(em))
    assert set(em.datasets.__all__) <= set(dir(em.datasets))
    for name in PUBLIC:
        assert resolve(name).__name__ == name.rpartition(".")[2]
    with pytest.raises(AttributeError, match="colour"):
        em.colour  # noqa: B018


def test_version_is_written_in_one_place():
    config = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert config["project"]["dynamic"] == ["version"]
    written = PACKAGE.parents[1] / config["tool"]["hatch"]["version"]["path"]
    assert f'"{em.__version__}"' in written.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", em.__version__)


def described_parameters(text):
    """Names that the Parameters section of a numpydoc docstring explains."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.M | re.S)
    lines = section[1].splitlines() if section else []
    heads = [line.split(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return {name.strip("* ") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_says_what_comes_out_and_every_parameter(name):
    thing = resolve(name)
    text = inspect.getdoc(thing)
    summary = text.split("\n")[0]
    assert summary[0].isupper()
    assert summary.endswith(".")
    if dataclasses.is_dataclass(thing) or text == summary:
        return  # a record names its fields; one sentence must do for a function of one argument
    assert set(inspect.signature(thing).parameters) <= described_parameters(text)


@pytest.mark.parametrize("name", PUBLIC)
def test_one_sentence_describes_functions_of_one_argument_only(name):
    thing = resolve(name)
    if len(inspect.getdoc(thing).splitlines()) == 1 and not dataclasses.is_dataclass(thing):
        assert len(inspect.signature(thing).parameters) <= 1


@pytest.mark.parametrize("name", PUBLIC)
def test_public_methods_are_described(name):
    thing = resolve(name)
    if not inspect.isclass(thing):
        return
    for key, member in vars(thing).items():
        if not key.startswith("_") and callable(getattr(thing, key)):
            assert inspect.getdoc(member), f"{name}.{key}"


# examples


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_show(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize(
    "name",
    ["em.SpectrumImage", "em.PCA", "em.as_spectrum_image", "em.datasets.load", "em.datasets.names"],
)
def test_main_entries_show_an_example(name):
    assert ">>> " in inspect.getdoc(resolve(name))


# files that run code when they are read


CODE_RUNNERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def imports(tree):
    """Every package that a module imports."""
    nodes = list(ast.walk(tree))
    direct = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in direct + parts}


def calls(tree):
    """Every call in a module, as its dotted name and its keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {k.arg: k.value for k in node.keywords}
            yield ast.unparse(node.func), keywords


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_data_file_can_run_code(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not imports(tree) & CODE_RUNNERS
    for name, keywords in calls(tree):
        assert name not in ("eval", "exec")
        if name in ("np.load", "numpy.load"):
            assert ast.unparse(keywords["allow_pickle"]) == "False"
        assert ast.unparse(keywords.get("allow_pickle", ast.Constant(False))) == "False"
