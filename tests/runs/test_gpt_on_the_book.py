"""The recorded GPT: its program runs, and its weights give its score."""

from types import SimpleNamespace

import numpy as np

from zerobook.datasets import load_book_prose
from zerobook.runs import gpt_on_the_book
from zerobook.metrics import bits_per_byte
from zerobook.models.gpt import token_losses
from zerobook import runs


def test_the_program_runs_on_a_small_text_and_repeats_itself():
    texts = SimpleNamespace(train="the cat sat on the mat. " * 40,
                            validation="the mat sat. " * 9,
                            test="the cat sat on the cat. " * 9)
    ends = []
    for _ in range(2):
        said = []
        out = gpt_on_the_book.run(say=said.append, texts=texts, steps=48,
                                  vocab_size=270, n_embd=16, lr=0.01)
        assert len(out["curve"]) == 24 == len(said)
        assert out["test"] < out["curve"][0][3] < 8.5
        ends.append(out["arrays"]["wte.weight"].copy())
    assert (ends[0] == ends[1]).all()


def test_the_recorded_weights_give_the_recorded_score():
    model, tokenizer = gpt_on_the_book.load()
    text = load_book_prose().validation
    nats = token_losses(model, np.array(tokenizer.encode(text))).sum()
    kept = runs.read("gpt_on_the_book")["results"]
    assert abs(bits_per_byte(nats, len(text.encode())) -
               kept["validation"]) < 1e-3
