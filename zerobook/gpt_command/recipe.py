# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The Python lines that do what a command does."""

from zerobook.gpt_command.run import MOST_SCORED


# %% 3.3 book/generative/gpt_command.md
IMPORTS = """\
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from zerobook import functional
from zerobook.data import DataLoader, TextWindows
from zerobook.interop.huggingface import save_gpt
from zerobook.models.gpt import GPT, GPTConfig, token_losses
from zerobook.optim import AdamW, LambdaLR, warmup_cosine
from zerobook.tokenizers import END_OF_TEXT, BPETokenizer
from zerobook.training import DataParallel, train_step
"""


# %% 3.3 book/generative/gpt_command.md
TRAINING = """
files = {files}
text = END_OF_TEXT.join(Path(f).read_text("utf-8-sig") for f in files)
cut = int(len(text) * (1 - {validation}))
tokenizer = {made}
train, held_out = (np.array(tokenizer.encode(part))
                   for part in (text[:cut], text[cut:]))
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
        loss = token_losses(model, held_out[:{most}]).sum()
        if loss < best:
            best, best_score = loss, scores
            save_gpt(model, tokenizer, {out})
    if step == {steps} or scores - best_score == {patience}:
        break
net.close()
"""


# %% 3.3 book/generative/gpt_command.md
def train_recipe(files, out, s):
    """Lines that train what the command would train."""
    made = {
        "bytes": "BPETokenizer()",
        "bpe": ("BPETokenizer.train(text[:cut].split(END_OF_TEXT), "
                f"{s.vocab_size})"),
    }.get(s.tokenizer, f"BPETokenizer.load({s.tokenizer!r})")
    return IMPORTS + TRAINING.format(
        **vars(s), files=[str(f) for f in files], out=repr(str(out)),
        made=made, rate=s.rate(), interval=s.interval(), most=MOST_SCORED,
        warmup=s.steps // 20, std=s.spread())


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
