# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Write with a GPT from a folder, token by token."""

import codecs
from pathlib import Path
from zerobook.commands.gpt.run import MOST, Complaint
from zerobook.interop.huggingface import load_gpt


# %% 3.3 book/generative/gpt_command.md
def whole_characters(pieces):
    """Text from pieces of bytes, each character as soon as it is whole.

    >>> list(whole_characters([b"a", b"\\xe6\\x9c", b"\\xacb"]))
    ['a', '本b']
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        text = decoder.decode(piece)
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest


# %% 3.3 book/generative/gpt_command.md
def open_gpt(folder):
    """Model and tokenizer of a folder; a Complaint if it has none."""
    if not Path(folder).is_dir():
        raise Complaint(f"there is no folder {folder}")
    try:
        model, tokenizer = load_gpt(folder)
    except (OSError, ValueError, TypeError, LookupError, AttributeError,
            ArithmeticError) as error:
        raise Complaint(f"{folder} is no GPT: {error}") from None
    if tokenizer is None:
        raise Complaint(f"{folder} has a GPT, but no tokenizer for it")
    return model, tokenizer


def start_of(tokenizer, prompt, vocab_size):
    """The tokens to go on from."""
    if not prompt and tokenizer.eos_token_id is None:
        raise Complaint("this tokenizer has no token that ends a text: give "
                        "a --prompt")
    try:
        ids = tokenizer.encode(prompt) or [tokenizer.eos_token_id]
    except ValueError as error:
        raise Complaint(f"--prompt cannot be encoded: {error}") from None
    if max(ids) >= vocab_size:
        raise Complaint(f"token {max(ids)} of the prompt is not among the "
                        f"model's {vocab_size}")
    return ids


# %% 3.3 book/generative/gpt_command.md
def check_drawing(o):
    """A Complaint names the option that is out of its range."""
    for name in ("tokens", "top_k"):
        value = getattr(o, name)
        if value is not None and not 1 <= value <= MOST:
            option = name.replace("_", "-")
            raise Complaint(f"--{option} must be 1 or more, and not above "
                            f"{MOST:,}: {value}")
    if not 1e-6 <= o.temperature <= 1e6:
        raise Complaint(f"--temperature must be above 0, from 0.000001 to "
                        f"1000000: {o.temperature} (--top-k 1 always takes "
                        "the likeliest token)")
    if o.top_p is not None and not 0 < o.top_p <= 1:
        raise Complaint(f"--top-p must be in 0 < p <= 1: {o.top_p}")
    if o.seed is not None and o.seed < 0:
        raise Complaint(f"--seed must be 0 or more: {o.seed}")


# %% 3.3 book/generative/gpt_command.md
def warn_of_space(prompt, tokenizer, warn):
    """Say so if a prompt ends in the space that belongs to the next word."""
    joined = any(t[:1] == b" " and len(t) > 1 for t in tokenizer.tokens)
    if prompt.endswith(" ") and prompt.strip() and joined:
        warn("note: --prompt ends in a space, but in this tokenizer the "
             "token of a word begins with it; leave the space out")


# %% 3.3 book/generative/gpt_command.md
def write(o, out, warn):
    """Go on with a prompt, handing each piece of text to `out`."""
    check_drawing(o)
    model, tokenizer = open_gpt(o.folder)
    warn_of_space(o.prompt, tokenizer, warn)
    ids = start_of(tokenizer, o.prompt, model.config.vocab_size)
    stop = tokenizer.eos_token_id
    tokens = model.generate(ids, o.tokens, temperature=o.temperature,
                            top_k=o.top_k, top_p=o.top_p, stop=stop,
                            rng=o.seed)
    out(o.prompt)
    for text in whole_characters(
        tokenizer.decode_bytes([t]) for t in tokens if t != stop
    ):
        out(text)
    out("\n")
