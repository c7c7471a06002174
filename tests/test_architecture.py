"""Imports run one way, luck has one source, and only front ends print."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import sim

ROOT = Path(sim.__file__).parent

# From the ground up: a module imports from its own layer and from those before it in this list.
LAYERS = [
    {"arrays", "compiled", "errors", "luck", "memory", "sums", "units"},
    {"folders", "identity", "manifests", "stored_table"},
    {"quarters", "parameters", "yaml_reader"},
    {"indices", "accounts", "groups", "variance"},
    {"policies", "state"},
    {"submodels"},
    {"arguments", "world", "parameter_sets", "scenario"},
    {"observe"},
    {"views"},
    {"decisions"},
    {"stages"},
    {"step"},
    {"foresight", "recorder"},
    {"engine"},
    {"cluster", "ensemble", "frames", "parts", "pool", "processes", "result", "runner", "store", "table_files"},
    {"comparison", "diff", "experiment", "explain", "export", "planner", "recomputation"},
    {"report", "mesa_model"},
    {"app", "__main__"},
]
LAYER = {name: height for height, names in enumerate(LAYERS) for name in names}

# What imports upwards all the same, inside a function, and why.
EXCEPTIONS = {
    ("comparison", "report"): "`comparison.plot()`, `save()` and `report()` draw, for users' convenience",
    ("experiment", "report"): "`scorecard.save()` and `calibration.save()` draw, for users' convenience",
    ("result", "report"): "`result.plot()`, `save()` and `report()` draw, for users' convenience",
    ("scenario", "observe"): "a policy's trigger names a measure, and the name is checked with the scenario",
    ("planner", "report"): "`allocation.plot()` draws, as `result.plot()` does",
}

# What the front ends may import besides the names in `sim.__all__`: catalogues, drawings, comparisons, exports.
CATALOGUES = {
    "cluster",
    "comparison",
    "diff",
    "errors",
    "experiment",
    "explain",
    "export",
    "mesa_model",
    "observe",
    "parameters",
    "planner",
    "policies",
    "recomputation",
    "report",
    "runner",
    "scenario",
    "submodels",
    "world",
}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name under `sim`, parsed."""
    parsed = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        parsed[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return parsed


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each (module under `sim`, name or "") that a module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            parts = (node.module or "").split(".")
            if parts[0] == "sim":
                for alias in node.names:
                    yield ".".join(parts[1:]), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "sim":
                    yield ".".join(parts[1:]), ""


def top(module: str, name: str = "") -> str:
    """The entry of LAYERS that a module, or a name imported from `sim` itself, belongs to."""
    return (module or name).split(".")[0]


def upward_imports(parsed: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Pairs of entries of LAYERS where the first imports the second from a higher layer."""
    pairs = {
        (top(module), top(source, name)) for module, tree in parsed.items() if module for source, name in imported(tree)
    }
    return {(lower, upper) for lower, upper in pairs if LAYER.get(upper, -1) > LAYER[lower]}


def uses_of_random(tree: ast.Module) -> list[int]:
    """Lines that reach for a random generator of NumPy or the standard library."""
    sources = {"random", "numpy.random", "secrets"}

    def is_random(node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="random"):
                return True
            case ast.ImportFrom(module="numpy", names=names):
                return "random" in {alias.name for alias in names}
            case ast.ImportFrom(module=module):
                return module in sources
            case ast.Import(names=names):
                return not sources.isdisjoint(alias.name for alias in names)
        return False

    return [node.lineno for node in ast.walk(tree) if is_random(node)]


def prints(tree: ast.Module) -> list[int]:
    """Lines that call `print`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def test_every_module_has_a_layer():
    homeless = {top(module) for module in modules() if module} - set(LAYER)
    assert not homeless, f"add to LAYERS and to the plan of the house: {sorted(homeless)}"


def test_imports_run_one_way():
    upward = upward_imports(modules()) - set(EXCEPTIONS)
    assert not upward, f"imports from a higher layer: {sorted(upward)}"


def test_each_exception_is_still_needed():
    assert set(EXCEPTIONS) <= upward_imports(modules())


@pytest.mark.parametrize(
    "line",
    [
        "from sim.engine import simulate",
        "import sim.engine",
        "from sim import engine",
        "def later():\n    from sim.engine import simulate",
    ],
)
def test_an_upward_import_is_found_in_every_form(line):
    assert upward_imports({"submodels.power": ast.parse(line)}) == {("submodels", "engine")}


def test_front_ends_import_only_public_names():
    for module, tree in modules().items():
        if top(module) != "app":
            continue
        for source, name in imported(tree):
            if top(source, name) == "app":
                continue
            if not source:
                assert not name or name in sim.__all__, f"{module} imports sim.{name}"
                continue
            assert top(source) in CATALOGUES, f"{module} imports sim.{source}"
            private = [part for part in (*source.split("."), name) if part.startswith("_")]
            assert not private, f"{module} imports {private} from sim.{source}"


def test_random_numbers_come_from_luck_alone():
    found = {module: uses_of_random(tree) for module, tree in modules().items() if module != "luck"}
    assert not {module: lines for module, lines in found.items() if lines}


@pytest.mark.parametrize(
    "line",
    [
        "x = np.random.rand()",
        "import random",
        "from numpy import random",
        "from numpy.random import default_rng",
    ],
)
def test_a_random_generator_is_found_in_every_form(line):
    assert uses_of_random(ast.parse(line)) == [1]


def test_mesa_stands_at_the_edge():
    def imports_mesa(tree: ast.Module) -> bool:
        return any(
            (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mesa")
            or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "mesa" for alias in node.names))
            for node in ast.walk(tree)
        )

    found = {module for module, tree in modules().items() if imports_mesa(tree)}
    assert {module for module in found if top(module) != "mesa_model"} == {"app.dashboard.page"}


def test_only_front_ends_print():
    found = {module: prints(tree) for module, tree in modules().items() if top(module) != "app"}
    assert not {module: lines for module, lines in found.items() if lines}
    assert prints(ast.parse("print(1)")) == [1]
