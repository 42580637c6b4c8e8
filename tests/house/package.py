"""The modules and pages of the book, as the tests of the house see them."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]


PACKAGE = ROOT / "zerobook"


def name_of(path):
    """The dotted name of a module's file."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


MODULES = [name for name in FILES if not name.endswith("__main__")]


PLAIN = [name for name in MODULES if not name.startswith("zerobook.press")]


TREES = {
    name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()
}


def fresh(code, *, isolated=False, **options):
    """Run code in a Python of its own; its output, and no complaint."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **options},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def top_imports(tree):
    """Imports that happen when the module is imported."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def names_in(node):
    """Modules that one import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "."]


def part(module):
    """zerobook.nn.conv belongs to nn, a verb's module to cli."""
    name = (module.split(".") + [""])[1]
    return "cli" if name == "commands" else name


def pages():
    """Every page that the table of contents names."""
    toc = (ROOT / "_toc.yml").read_text("utf-8")
    return [
        ROOT / f"{name}.md"
        for name in re.findall(r"(?:root|file): *(\S+)", toc)
    ]


FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1`*[ ]*$", re.M | re.S)
