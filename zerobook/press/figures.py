# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Put a drawing of matplotlib into a page, in the page's own colours."""

import html
import re


# %% book/press/figures.md
COLOURS = {
    "#5f6673": "currentColor",
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    "#808080": "var(--grey)",
    "#0c8df5": "var(--c0)",
    "#cd4403": "var(--c1)",
    "#098154": "var(--c2)",
    "#b4329f": "var(--c3)",
    "#9c9145": "var(--c4)",
    "#7654f7": "var(--c5)",
}


def recoloured(svg):
    """The drawing with the style's colours replaced by the page's."""

    def swap(found):
        colour = found.group(0).lower()
        return COLOURS.get(colour, colour)

    return re.sub(r"(?<=[:\"] )#[0-9a-fA-F]{6}\b", swap, svg)


# %% book/press/figures.md
def renamed(svg, prefix):
    """The drawing with only the names it needs, each under `prefix`."""
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))

    def swap(found):
        name = found.group(1)
        return f' id="{prefix}-{name}"' if name in used else ""

    svg = re.sub(r" id=\"([^\"]*)\"", swap, svg)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", svg)


# %% book/press/figures.md
ROOT = 'style="stroke-linejoin: round; stroke-linecap: butt"'
UNWANTED = re.compile(r"(?s)<metadata>.*?</metadata>|<style.*?</style>")


def inline(svg, prefix, alt):
    """A drawing as an element of a page.

    Parameters
    ----------
    svg : str
        What matplotlib wrote.
    prefix : str
        Unlike that of any other drawing on the page.
    alt : str
        The drawing in words; without any it is hidden from listeners.
    """
    svg = svg[svg.index("<svg") :]
    svg = UNWANTED.sub("", svg)
    svg = renamed(recoloured(svg), prefix)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    spoken = 'aria-hidden="true"'
    if alt:
        spoken = f'role="img" aria-label="{html.escape(alt)}"'
    return svg.replace("<svg", f'<svg class="drawing" {ROOT} {spoken}', 1)
