# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""``zerobook gpt``: train a GPT on a text of your own, and write with it."""


# %% 3.3 book/generative/gpt_command.md
OPTIONS = (  # option, type, what it stands for, help
    ("--tokenizer", str, "bytes|bpe|DIR", "learned by default (bpe)"),
    ("--vocab-size", int, "N", "tokens to be learned (1024)"),
    ("--validation", float, "SHARE", "of the text, to choose by (a tenth)"),
    ("--test", float, "SHARE", "of the text, for the last score (a tenth)"),
    ("--layers", int, "N", "(2)"),
    ("--heads", int, "N", "(4)"),
    ("--width", int, "N", "(64)"),
    ("--context", int, "N", "tokens that it looks back (64)"),
    ("--dropout", float, "P", "(0.15)"),
    ("--batch-size", int, "N", "pieces of text a step (16)"),
    ("--steps", int, "N", "(2400)"),
    ("--lr", float, "RATE", "(0.256 / width)"),
    ("--every", int, "N", "steps between scores (steps / 20)"),
    ("--patience", int, "N", "scores without a better one (5)"),
    ("--prompt", str, "TEXT", "what samples go on from (a new line)"),
    ("--cores", int, "N", "that share a batch (1)"),
    ("--seed", int, "N", "(0)"),
)


def train(options):
    """Train a GPT on text files; --out becomes a Hugging Face folder."""
    from zerobook.commands.gpt.verbs import train as act

    return act(options)


def generate(options):
    """Write with a GPT-2 folder, token by token."""
    from zerobook.commands.gpt.verbs import generate as act

    return act(options)


# %% 3.3 book/generative/gpt_command.md
def add_to(verbs):
    """Add the verb and its two kinds to the command line."""
    gpt = verbs.add_parser("gpt", help=__doc__.split(": ", 1)[1])
    kinds = gpt.add_subparsers(required=True, metavar="train|generate")
    verb = kinds.add_parser("train", help=train.__doc__)
    verb.add_argument("--text", nargs="+", metavar="FILE", default=[],
                      help="UTF-8; - is standard input")
    verb.add_argument("--out", required=True, metavar="DIR")
    verb.add_argument("--resume", action="store_true", help="go on in DIR")
    verb.add_argument("--minutes", type=float, metavar="N",
                      help="as many steps as fit into this time")
    for option, kind, what, text in OPTIONS:
        verb.add_argument(option, type=kind, metavar=what, help=text)
    verb.set_defaults(run=train)

    verb = kinds.add_parser("generate", help=generate.__doc__)
    verb.add_argument("folder", metavar="DIR")
    verb.add_argument("--prompt", default="", metavar="TEXT")
    verb.add_argument("--tokens", type=int, default=200, metavar="N")
    verb.add_argument("--temperature", type=float, default=0.8, metavar="T")
    verb.add_argument("--top-k", type=int, metavar="K")
    verb.add_argument("--top-p", type=float, metavar="P")
    verb.add_argument("--seed", type=int, metavar="N")
    verb.set_defaults(run=generate)
    for verb in kinds.choices.values():
        verb.add_argument("--show-code", action="store_true",
                          help="print the Python lines that do the same")
