"""The import graph: floors, no arrow upward, no circle."""

import ast
import sys

import pytest

from tests.house.package import FILES, TREES, names_in, part, top_imports


FLOORS = [
    """activations losses gradcheck linear_model neighbors cluster svm
    decomposition preprocessing model_selection metrics base persistence
    datasets bandit probability linear_algebra scalar_autograd tokenizers
    sampling mixture music augment safetensors plot records memory git_lfs
    moved""",
    # A loader takes a Tensor, an optimizer writes into one and counts its
    # versions; neural_network calls the update rules that stand in optim.
    "autograd checkpoint data optim neural_network",
    "functional",
    "nn",
    "training parallel",
    "models evaluation",
    "runs",
    "cli __main__",
]


FLOOR = {name: k for k, row in enumerate(FLOORS) for name in row.split()}


def package_imports(module):
    """Modules of the package that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [n if n in FILES else node.module for n in names]
        else:
            continue
        found |= {n for n in names if n.split(".")[0] == "zerobook"}
    return found - {"zerobook", module}


def test_every_module_stands_on_a_floor():
    known = {*FLOOR, "press", "interop", ""}
    new = {part(module) for module in FILES} - known
    assert not new, f"name a floor for {new} in FLOORS"


@pytest.mark.parametrize("module", [m for m in FILES if m != "zerobook"])
def test_a_module_imports_from_its_own_floor_or_below(module):
    for other in package_imports(module):
        if part(module) == "cli" or part(module) == "__main__":
            continue
        if part(module) == "press" or part(other) == "press":
            assert part(module) == part(other) == "press"
        elif part(module) == "interop":
            assert part(other) != "cli"
        else:
            assert part(other) != "interop"
            assert FLOOR[part(other)] <= FLOOR[part(module)], other
            if part(module) == "models" == part(other):
                pytest.fail("a model imports layers, never a model")


def graph():
    """Module -> the modules that it imports, at its top or in a function."""
    return {module: package_imports(module) & FILES.keys()
            for module in FILES}


def circle(arrows):
    """A way through `arrows` that comes back to its first module, or None."""
    done = set()

    def visit(module, path):
        if module in path:
            return [*path[path.index(module):], module]
        if module in done:
            return None
        found = (visit(other, [*path, module])
                 for other in sorted(arrows[module]))
        found = next(filter(None, found), None)
        done.add(module)
        return found

    return next(filter(None, (visit(module, []) for module in arrows)), None)


def test_the_import_graph_has_no_circle():
    found = circle(graph())
    assert not found, " -> ".join(found)


def test_an_arrow_back_would_be_a_circle():
    arrows = graph()
    arrows["zerobook.activations"] |= {"zerobook.models.gpt"}
    assert "zerobook.models.gpt" in circle(arrows)


# Inside nn: what a layer is, then the plain layers, then what is made of them.
NN = {name: k for k, row in enumerate([
    "module init",
    "linear normalization conditional quantize",
    "conv recurrent attention lora",
    "transformer modern",
    "",  # nn itself offers them all
]) for name in row.split() or ["zerobook"]}


@pytest.mark.parametrize("module", [
    m for m in FILES if m.startswith("zerobook.nn.")])
def test_a_layer_is_made_of_layers_below_it(module):
    row = NN[module.rpartition(".")[2]]
    for other in package_imports(module):
        if part(other) == "nn":
            last = other.rpartition(".")[2]
            below = NN["zerobook" if last == "nn" else last]
            assert below <= row, other


def test_zerobook_itself_imports_nothing_eagerly():
    tree = TREES.get("zerobook", ast.parse(""))
    eager = {n for node in top_imports(tree) for n in names_in(node)}
    assert {n.split(".")[0] for n in eager} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", FILES)
def test_numpy_is_the_only_library_that_is_imported_eagerly(module):
    allowed = {*sys.stdlib_module_names, "zerobook"}
    # the press needs the standard library, plus Sphinx and what it stands on
    allowed |= (
        {"sphinx", "docutils", "jinja2", "pygments"} if part(module) == "press" else {"numpy"}
    )
    eager = {n.split(".")[0] for node in top_imports(TREES[module])
             for n in names_in(node)}
    assert eager <= allowed, eager - allowed
