# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The Python lines that do what a command does."""

from zerobook.commands.gpt.run import (
    MOST_COUNTED, MOST_TESTED, MOST_VALIDATED,
)


# %% 3.3 book/generative/gpt_command.md
IMPORTS = """\
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from zerobook import functional
from zerobook.data import DataLoader, TextWindows
from zerobook.interop.huggingface import load_gpt, save_gpt
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import GPT, GPTConfig, token_losses
from zerobook.models.ngram import NGram
from zerobook.optim import AdamW, LambdaLR, warmup_cosine
from zerobook.tokenizers import END_OF_TEXT, BPETokenizer
from zerobook.parallel import DataParallel
from zerobook.training import train_step
"""


# %% 3.3 book/generative/gpt_command.md
TRAINING = """
files = {files}
text = END_OF_TEXT.join(Path(f).read_text("utf-8-sig") for f in files)
n_test, n_validation = {n_test}, {n_validation}
cut = len(text) - n_test - n_validation, len(text) - n_test
parts = text[:cut[0]], text[cut[0]:cut[1]], text[cut[1]:]
tokenizer = {made}
train, validation, test = (np.array(tokenizer.encode(part))
                           for part in parts)
config = GPTConfig(tokenizer.vocab_size, n_positions={context},
                   n_embd={width}, n_layer={layers}, n_head={heads},
                   embd_pdrop={dropout}, resid_pdrop={dropout},
                   initializer_range={std})
model = GPT(config, rng={seed})
net = DataParallel(model, {cores})
loader = DataLoader(TextWindows(train, {context}), {batch_size},
                    shuffle=True, rng={seed})
optimizer = AdamW(model.parameters(), {rate}, (0.9, 0.99),
                  weight_decay=0.1)
schedule = LambdaLR(optimizer, warmup_cosine({warmup}, {steps}, 0.05))
best, best_score, scores = np.inf, 0, 0
for step, batch in enumerate(chain.from_iterable(repeat(loader)), 1):
    train_step(net, functional.cross_entropy, batch, optimizer, clip=1.0,
               schedule=schedule)
    if step % {interval} == 0 or step == {steps}:
        scores += 1
        loss = token_losses(model, validation).sum()
        if loss < best:
            best, best_score = loss, scores
            save_gpt(model, tokenizer, {out})
    if step == {steps} or scores - best_score == {patience}:
        break
net.close()
"""


# %% 3.3 book/generative/gpt_command.md
TESTING = """

def counted(model, ids):
    first, whole = map(tokenizer.decode_bytes, (ids[:1], ids))
    nats = -model.log_prob(whole)[len(first):].sum()
    return bits_per_byte(nats, len(whole) - len(first))


seen = tokenizer.decode_bytes(train)[-{most_counted}:]
n_gram = min((NGram(n).fit(seen) for n in (2, 4, 6, 8) if n <= len(seen)),
             key=lambda model: counted(model, validation))
model, _ = load_gpt({out})
bits = bits_per_byte(token_losses(model, test).sum(),
                     len(tokenizer.decode_bytes(test[1:])))
print(f"test: {{bits:.3f}} bits per byte, "
      f"{{n_gram.order}}-gram {{counted(n_gram, test):.3f}}")
"""


# %% 3.3 book/generative/gpt_command.md
def train_recipe(files, out, s):
    """Lines that train what the command would train."""
    made = {
        "bytes": "BPETokenizer()",
        "bpe": ("BPETokenizer.train(parts[0].split(END_OF_TEXT), "
                f"{s.vocab_size})"),
    }.get(s.tokenizer, f"BPETokenizer.load({s.tokenizer!r})")
    named = ["/dev/stdin" if str(f) == "-" else str(f) for f in files]
    return IMPORTS + (TRAINING + TESTING).format(
        **vars(s), files=named, out=repr(str(out)), made=made,
        n_test=length(s.test, MOST_TESTED),
        n_validation=length(s.validation, MOST_VALIDATED),
        rate=s.rate(), interval=s.interval(), warmup=s.steps // 20,
        std=s.spread(), most_counted=MOST_COUNTED)


def length(share, most):
    """How many characters a part has: an expression in ``text``."""
    if share is None:
        return f"min(len(text) // 10, {most})"
    return f"int(len(text) * {share})"


def generate_recipe(o):
    """Lines that write what the command would write."""
    return f"""\
from zerobook.interop.huggingface import load_gpt

model, tokenizer = load_gpt({str(o.folder)!r})
prompt, stop = {o.prompt!r}, tokenizer.eos_token_id
new = model.generate(tokenizer.encode(prompt) or [stop], {o.tokens},
                     temperature={o.temperature}, top_k={o.top_k},
                     top_p={o.top_p}, stop=stop, rng={o.seed})
print(prompt + tokenizer.decode([t for t in new if t != stop]))
"""
