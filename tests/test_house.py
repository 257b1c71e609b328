"""The rules of the house, read from the imports: who may know whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("sampling", "harness", "baselines", "hybrid", "reports")
FILES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))

# Which of our rooms a room may import, at any depth; `harness/cli.py` is the front door.
MAY_KNOW = {
    "sampling": {"sampling"},
    "harness": {"harness", "sampling"},
    "baselines": {"baselines", "harness", "sampling"},
    "hybrid": {"hybrid", "harness", "sampling"},
    "reports": {"reports", "harness"},
}
FORBIDDEN = {
    "sampling": {"ray", "wandb", "torch", "pandas", "sklearn"},
    "baselines": {"ray", "wandb"},
    "hybrid": {"ray", "wandb"},
    "reports": {"ray", "wandb", "torch"},
}
HEAVY = {"ray", "torch", "wandb", "matplotlib", "sklearn", "cv2", "scipy", "numba"}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree, everywhere):
    """Imported module names; `everywhere` includes those inside functions."""
    nodes = ast.walk(tree) if everywhere else top_level(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_level(tree):
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from ast.walk(node)


def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_knows_only_the_rooms_above_it(file):
    room = file.relative_to(ROOT).parts[0]
    found = {name.split(".")[0] for name in imports(parsed(file), everywhere=True)}
    if file == ROOT / "harness" / "cli.py":
        assert not found & {"baselines", "hybrid"}
        return
    assert found & set(ROOMS) <= MAY_KNOW[room]
    assert not found & FORBIDDEN.get(room, set())


def test_only_the_engine_the_search_and_the_tracker_know_ray_and_wandb():
    allowed = ("harness/engine/", "harness/search/", "harness/tracking/")
    for file in FILES:
        name = str(file.relative_to(ROOT))
        found = {n.split(".")[0] for n in imports(parsed(file), everywhere=True)}
        if not name.startswith(allowed):
            assert not found & {"ray", "wandb"}, name


def test_no_file_imports_in_a_circle():
    modules = {module_name(file): file for file in FILES}
    graph = {
        name: {n for n in imports(parsed(file), everywhere=True) if n in modules and n != name}
        for name, file in modules.items()
    }
    done, path = set(), []

    def visit(name):
        if name in path:
            pytest.fail(" → ".join([*path[path.index(name) :], name]))
        if name not in done:
            path.append(name)
            for imported in sorted(graph[name]):
                visit(imported)
            path.pop()
            done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("file", [f for f in FILES if f.name == "__init__.py"], ids=str)
def test_no_package_does_work_when_imported(file):
    for node in parsed(file).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_listing = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        is_lazy = isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        is_constant = isinstance(node, ast.Assign | ast.AnnAssign) and not any(
            isinstance(part, ast.Call) for part in ast.walk(node)
        )
        assert is_docstring or is_listing or is_import or is_typing or is_lazy or is_constant


def test_files_are_named_by_their_idea():
    banned = {"util", "utils", "helper", "helpers", "common", "core", "misc"}
    assert not [f for f in FILES if f.stem in banned]


def test_what_the_command_line_starts_with_is_light():
    """`--help`, `plan` and `status` load no heavy library."""
    import subprocess
    import sys

    code = (
        "import sys, harness.cli, harness.sweep, harness.plan.build, harness.plan.listing, "
        "harness.suite.load, harness.store, harness.protocol\n"
        "print(' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & HEAVY
