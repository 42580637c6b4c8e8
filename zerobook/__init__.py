# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""From zero to generative AI: the package that the book's cells make up."""

import importlib


# %% book/given/package.md
__version__ = "0.1.0"


def __getattr__(name):
    """Import a module of the package when it is first asked for."""
    try:
        return importlib.import_module(f"zerobook.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"zerobook.{name}":
            raise
        message = f"module 'zerobook' has no attribute {name!r}"
        raise AttributeError(message) from None


# %% book/given/package.md
def where(thing):
    """Print which page of the book builds `thing`.

    Parameters
    ----------
    thing : str or object
        A name such as ``"losses.hinge"``, the line of a traceback such as
        ``"zerobook/losses.py:40"``, or the object itself.

    Raises
    ------
    ValueError
        If no chapter builds it.

    Examples
    --------
    >>> import zerobook
    >>> zerobook.where("press.reading.Problem")  # doctest: +ELLIPSIS
    zerobook.press.reading.Problem: Reading a chapter (book/press/...)
    """
    from zerobook.press.where import where as find

    for name, place in find(thing):
        print(f"{name}: {place}")
