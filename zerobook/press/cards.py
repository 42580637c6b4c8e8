# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The API page: one part for each module, every entry linked home."""

import re
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


# %% book/press/cards.md
def in_reading_order(modules):
    """Names of the modules that hold something, the press at the end."""
    filled = [module for module, names in modules.items() if names]
    return sorted(filled, key=lambda m: m.startswith("zerobook.press"))


# %% book/press/cards.md
TEMPLATE = """\
```{{eval-rst}}
{before}.. automodule:: {module}
   :members:
   :member-order: bysource
{after}```
"""
BEFORE, AFTER = ".. py:module:: {module}\n\n", "   :no-index:\n"


class Cards(SphinxDirective):
    """One section for each module of the package, from the modules."""

    def run(self):
        modules = in_reading_order(self.env.app.loom.modules)
        return [self.doors(modules), *map(self.part, modules)]

    def doors(self, modules):
        """A line of links, one to each part."""
        line = nodes.paragraph(classes=["modules"])
        for module in modules:
            short = module.removeprefix("zerobook.")
            where = nodes.make_id(f"api-{short}")
            line += nodes.reference("", short, refid=where, internal=True)
            line += nodes.Text(" ")
        return line

    def part(self, module):
        """The section of one module."""
        short = module.removeprefix("zerobook.")
        part = nodes.section(ids=[nodes.make_id(f"api-{short}")], names=[])
        part += nodes.title(short, short)
        press = module.startswith("zerobook.press")
        text = TEMPLATE.format(
            module=module,
            before=BEFORE.format(module=module) * press,
            after=AFTER * press,
        )
        text = StringList(text.splitlines(), "api")
        self.state.nested_parse(text, self.content_offset, part)
        return part


# %% book/press/cards.md
API = "book/reference/api"


def place(app, what, name, thing, options, lines):
    """Put a link to the section that builds `name` over its docstring."""
    for module, names in app.loom.modules.items():
        short = name.removeprefix(module + ".")
        if name == module or short not in names:
            continue
        page = names[short]
        address = app.builder.get_relative_uri(API, page.docname)
        anchor = re.sub(r"_$", r"\_", name)  # clip_grad_norm_
        home = f"`{page.title} <{address}#{anchor}>`__"
        lines[:0] = [".. container:: home", "", "   " + home, ""]
        return


# %% book/press/cards.md
LEARNED = re.compile(r"(?<![\w`.*|])([A-Za-z]\w*_)(?![\w`])")


def as_code(app, what, name, thing, options, lines):
    """Mark learned attributes in running text as code."""
    for k, line in enumerate(lines):
        head = re.match(r"\s*([\w, ]+ : |>>> .*|\.\. .*)?", line).group(0)
        lines[k] = head + LEARNED.sub(r"``\1``", line[len(head) :])


# %% book/press/cards.md
def plain(app, env, node, content):
    """Leave a type that is not the book's as the text that it is."""
    ours = re.match(r"zerobook\.(?!press)", node.get("reftarget", ""))
    if node.get("refdomain") == "py" and not ours:
        return content


# %% book/press/cards.md
def setup(app):
    """Called by Sphinx when it loads the extension."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_directive("zerobook-cards", Cards)
    app.connect("autodoc-process-docstring", place, priority=100)
    app.connect("autodoc-process-docstring", as_code, priority=50)
    app.connect("missing-reference", plain)
    return {"version": "1", "parallel_read_safe": False}
