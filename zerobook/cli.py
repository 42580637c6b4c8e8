# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The command line: ``zerobook`` and ``python -m zerobook``."""

import argparse
import contextlib
import importlib.util
import os
import pkgutil
import sys


# %% book/given/package.md
def tangle(options):
    """Write the package, a snapshot of it, or say what is stale."""
    from zerobook.press.writing import tangle as write

    if options.until is None:
        return write(options.root, options.output, check_only=options.check)
    if options.output is None or options.check:
        print("--until needs -o DIR, without --check", file=sys.stderr)
        return 2
    from zerobook.press.routes import snapshot

    return snapshot(options.root, options.until, options.output, options.route)


def routes(options):
    """Prove that no page uses what its reader has not met."""
    from zerobook.press.routes import check

    return check(options.root, run=not options.static, third=options.third)


# %% book/given/package.md
def book(options):
    """Run the pages, render them, and show them if asked to."""
    from functools import partial

    from zerobook.press.book import build, no_port, serve

    say = partial(print, flush=True)
    if options.serve and (why := no_port(options.port)):
        print(why, file=sys.stderr)
        return 1
    code = build(options.root, options.page, say)
    if options.serve and code == 0:
        return serve(options.root, options.port)
    return code


# %% book/given/package.md
def runs(options):
    """Run what is too long for a build, and keep what came out."""
    from functools import partial

    from zerobook.press.recording import check, run_all

    say = partial(print, flush=True)
    if options.check:
        return check(options.root, say)
    return run_all(options.root, options.names, say)


def where(options):
    """Say which page of the book builds a thing."""
    from zerobook import where as say

    try:
        say(options.name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# %% book/given/package.md
def later_commands():
    """The modules of the package that bring verbs of their own."""
    folder = importlib.util.find_spec("zerobook.commands")
    places = folder.submodule_search_locations if folder else []
    return [
        importlib.import_module(f"zerobook.commands.{module.name}")
        for module in pkgutil.iter_modules(places)
    ]


# %% book/given/package.md
class Parser(argparse.ArgumentParser):
    """One that does not hide that its help could not be printed."""

    def print_help(self, file=None):
        """Write the help."""
        print(self.format_help(), end="", file=file)


# %% book/given/package.md
def parser(asked=None):
    """The argument parser, a subcommand for each verb; one is `asked` for."""
    top = Parser(prog="zerobook", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="verb")

    verb = verbs.add_parser("tangle", help=tangle.__doc__)
    verb.add_argument("--check", action="store_true")
    verb.add_argument("--until", metavar="SECTION")
    verb.add_argument("--route", choices=("straight", "parallel"),
                      default="straight")
    verb.add_argument("-o", "--output", metavar="DIR")
    verb.add_argument("--root", default=".", metavar="DIR",
                      help="the folder of _toc.yml")
    verb.set_defaults(run=tangle)

    verb = verbs.add_parser("routes", help=routes.__doc__)
    verb.add_argument("--static", action="store_true")
    verb.add_argument("--third", type=int, choices=range(3),
                      help="run every third page, from this one on")
    verb.add_argument("--root", default=".", metavar="DIR")
    verb.set_defaults(run=routes)

    verb = verbs.add_parser("book", help=book.__doc__)
    verb.add_argument("--page", metavar="PAGE.md", help="this page alone")
    verb.add_argument("--serve", action="store_true", help="then show it")
    verb.add_argument("--port", type=int, default=8000)
    verb.add_argument("--root", default=".", metavar="DIR")
    verb.set_defaults(run=book)

    verb = verbs.add_parser("runs", help=runs.__doc__)
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.add_argument("--check", action="store_true")
    verb.add_argument("--root", default=".", metavar="DIR")
    verb.set_defaults(run=runs)

    verb = verbs.add_parser("where", help=where.__doc__)
    verb.add_argument("name", metavar="NAME|FILE:LINE")
    verb.set_defaults(run=where)
    if asked not in verbs.choices:
        for module in later_commands():
            module.add_to(verbs)
    return top


# %% book/given/package.md
STRICT = ("strict", "surrogateescape")


@contextlib.contextmanager
def any_terminal():
    """Let what a terminal's encoding lacks be printed as ``?``."""
    with contextlib.ExitStack() as put_back:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:  # closed by who started the program
                nowhere = put_back.enter_context(open(os.devnull, "w"))
                setattr(sys, name, nowhere)
                put_back.callback(setattr, sys, name, None)
            elif getattr(stream, "errors", None) in STRICT and hasattr(
                    stream, "reconfigure"):
                put_back.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors="replace")
        yield


def main(arguments=None):
    """Run the command line; return the exit code."""
    words, code = sys.argv[1:] if arguments is None else arguments, 0
    with any_terminal():
        try:
            try:
                options = parser(*words[:1]).parse_args(words)
                code = options.run(options)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if error.filename is not None:  # of a file, not of the output
                raise
            return lost_output(error, code)
    return code


# %% book/given/package.md
def lost_output(error, code):
    """Give up printing; the exit code, and a sentence if none was said."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # `| head` has read enough
        return 141  # as a shell reports a program that a closed pipe ended
    if not code:
        with contextlib.suppress(OSError, ValueError):
            print(f"zerobook: the output is lost: {error.strerror or error}",
                  file=sys.stderr, flush=True)
    return code or 1


# %% book/given/package.md
def run_if_started(spec):
    """Run and exit if `spec` is that of ``python -m zerobook``."""
    started = sys.modules["__main__"]
    if spec is not None and getattr(started, "__spec__", None) is spec:
        sys.exit(main())
