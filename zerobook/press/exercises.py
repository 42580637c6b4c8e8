# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A page without its solutions, and what the exercises ask for."""

import re
import symtable
from dataclasses import dataclass
from zerobook.press.reading import read_page


# %% book/press/exercises.md
SOLUTION = re.compile(
    r"^```\{solution-start\} *(\S+)\n[\s\S]*?^```\{solution-end\}\n```$"
    r"|^:::\{solution\} *(\S+)\n[\s\S]*?^:::$",
    re.M,
)
EXERCISE = re.compile(
    r"^:::\{exercise\}[^\n]*\n:label: *(\S+)\n([\s\S]*?)^:::$", re.M
)


# %% book/press/exercises.md
def needed(code):
    """Names that a cell reads and does not bind before it ends."""
    found, bound = set(), left(code)

    def look(table, outermost):
        for s in table.get_symbols():
            if s.is_referenced() and (outermost or s.is_global()):
                found.add(s.get_name())
        for child in table.get_children():
            look(child, False)

    look(symtable.symtable(code, "cell", "exec"), True)
    return found - bound


def left(code):
    """Names that a cell binds at its top level."""
    table = symtable.symtable(code, "cell", "exec").get_symbols()
    return {s.get_name() for s in table if s.is_assigned() or s.is_imported()}


# %% book/press/exercises.md
@dataclass
class Task:
    """An exercise: its words, the cells of its answer and its checks."""

    label: str
    words: str
    answer: list
    checks: list

    @property
    def stated(self):
        """Names that the words of the exercise mention as code."""
        code = re.findall(r"`([^`\n]+)`", self.words)
        return set(re.findall(r"[^\W\d]\w*", " ".join(code)))

    @property
    def asked(self):
        """Names that the checks take from the answer."""
        made = set().union(*(left(cell.code) for cell in self.answer))
        wanted = set().union(*(needed(cell.code) for cell in self.checks))
        return made & wanted


def tasks(text):
    """The exercises of a page that have a solution, by their labels."""
    words = dict(EXERCISE.findall(text))
    found = {}
    for solution in SOLUTION.finditer(text):
        label = solution[1] or solution[2]
        cells = read_page(label, solution[0])[0].cells
        checks = [c for c in cells if "check" in c.tags]
        answer = [c for c in cells if "check" not in c.tags]
        found[label] = Task(label, words.get(label, ""), answer, checks)
    return found


# %% book/press/exercises.md
EMPTY = "```{code-cell} python\n# Your answer.\n```"


def unsolved(text):
    """The text of a page with a gap in place of each solution."""
    known = tasks(text)

    def gap(solution):
        task = known[solution[1] or solution[2]]
        cells = [EMPTY] if task.answer else []
        if task.asked and task.asked <= task.stated:
            cells += [
                "```{code-cell} python\n:tags: [check, gap]\n\n"
                f"{c.code}\n```"
                for c in task.checks
            ]
        return "\n\n".join(cells)

    return SOLUTION.sub(gap, text)


# %% book/press/exercises.md
def leaning(text):
    """Cells that need what a solution bound: (line, names) for each.

    A cell outside all solutions may need none of theirs, and a cell of a
    solution only those of its own.
    """
    spans = [(m.start(), m.end(), m[1]) for m in SOLUTION.finditer(text)]
    starts = [0, *(m.end() for m in re.finditer("\n", text))]
    bound, found = {}, []
    for cell in read_page("", text)[0].cells:
        at = starts[cell.line - 1]
        here = next((s for a, b, s in spans if a <= at < b), None)
        names = {n for n in needed(cell.code) if bound.get(n, here) != here}
        names -= {n for n in names if bound[n] is None}
        if names:
            found.append((cell.line, sorted(names)))
        bound |= dict.fromkeys(left(cell.code), here)
    return found
