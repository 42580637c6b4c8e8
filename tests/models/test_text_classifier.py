"""A head on sentence embeddings: the regression it starts from, refusals."""

import numpy as np
import pytest

from zerobook import functional
from zerobook.linear_model import LogisticRegression
from zerobook.models.bert import BERT, BertConfig
from zerobook.models.sentence_encoder import SentenceEncoder
from zerobook.models.text_classifier import TextClassifier
from zerobook.optim import Adam
from zerobook.tokenizers import WordPieceTokenizer

TEXTS = ["the loss falls", "a loss", "the step", "step by step", "no matrix",
         "matrix and matrix"]


def encoder():
    pieces = WordPieceTokenizer.train(" ".join(TEXTS) * 4, vocab_size=60)
    config = BertConfig(pieces.vocab_size, hidden_size=16,
                        num_attention_heads=2, initializer_range=0.5)
    model = BERT(config, rng=0, pooler=False, head=False)
    return SentenceEncoder(model.eval(), pieces)


@pytest.mark.parametrize("labels", [
    ["loss", "loss", "step", "step", "matrix", "matrix"],
    ["b", "b", "a", "a", "a", "b"], [3, 3, 1, 1, 2, 2],
])
def test_a_head_taken_from_a_regression_answers_as_it_does(labels):
    reader = encoder()
    E = reader.encode(TEXTS)
    regression = LogisticRegression(C=20).fit(E, labels)
    classes = sorted(set(labels), reverse=True)  # another order than theirs
    model = TextClassifier(reader, classes, rng=0).start_from(regression)
    assert np.allclose(model.predict_proba(TEXTS),
                       regression.predict_proba(E)[:, ::-1], atol=1e-5)
    assert model.predict(TEXTS) == regression.predict(E).tolist()
    scores = model(*reader.tokens(TEXTS)).data
    assert (scores.argmax(axis=1) == model.targets(
        model.predict(TEXTS))).all()


def test_all_of_it_is_trained_and_learns_a_batch():
    model = TextClassifier(encoder(), ["loss", "step", "matrix"], rng=0)
    y = model.targets(["loss", "loss", "step", "step", "matrix", "matrix"])
    ids, mask = model.encoder.tokens(TEXTS)
    optimizer, losses = Adam(model.parameters(), 3e-3), []
    for _ in range(100):
        loss = functional.cross_entropy(model(ids, mask), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(losses[0] - np.log(3)) < 0.6 and losses[-1] < 0.3
    assert all(p.grad is not None for p in model.parameters())


def test_a_label_that_is_no_class_is_named_with_its_place():
    model = TextClassifier(encoder(), ["a", "b"])
    with pytest.raises(ValueError, match="label 2 is 'c'.*'a', 'b'"):
        model.targets(["a", "b", "c"])


@pytest.mark.parametrize("classes", [[], ["a"], ["a", "a"], "aa"])
def test_classes_are_two_or_more_each_once(classes):
    with pytest.raises(ValueError, match="two or more"):
        TextClassifier(encoder(), classes)


def test_a_regression_of_other_classes_or_width_is_refused():
    reader, y = encoder(), ["a", "a", "b", "b", "c", "c"]
    E = reader.encode(TEXTS)
    model = TextClassifier(reader, ["a", "b", "c", "d"], rng=0)
    before = model.head.weight.data.copy()
    for X, labels, said in ((E, y, "3 classes"),
                            (E, ["a", "a", "b", "b", "c", "x"], "'x'"),
                            (E[:, :5], [*y[:4], "c", "d"], "5 columns")):
        with pytest.raises(ValueError, match=said):
            model.start_from(LogisticRegression().fit(X, labels))
    assert (model.head.weight.data == before).all()
