# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Classes of texts, by an encoder and a linear head."""

import numpy as np
from zerobook.activations import softmax
from zerobook.nn.linear import Linear
from zerobook.nn.module import Module


# %% 4.2.1 book/practice/somebodys_model.md
class TextClassifier(Module):
    """A linear head on sentence embeddings.  Section 4.2.1.

    Parameters
    ----------
    encoder : SentenceEncoder
    classes : sequence of str or int
        The labels, each once; at least two.
    rng : Generator or int, optional
        Draws the head.
    """

    def __init__(self, encoder, classes, *, rng=None):
        self.encoder, self.classes = encoder, list(classes)
        if len(set(self.classes)) != len(self.classes) or len(
                self.classes) < 2:
            raise ValueError("classes must be two or more, each once: "
                             f"{self.classes}")
        self.head = Linear(encoder.embed_dim, len(self.classes), rng=rng)

    def forward(self, ids, mask):
        """Scores (N, K), a Tensor, of tokens (N, T) and their mask."""
        return self.head(self.encoder(ids, mask))

    def targets(self, labels):
        """Number of each label; ValueError names one that is no class."""
        number = {label: k for k, label in enumerate(self.classes)}
        for i, label in enumerate(labels):
            if label not in number:
                raise ValueError(f"label {i} is {label!r}, which is none of "
                                 f"the classes {self.classes}")
        return np.array([number[label] for label in labels], int)

    def start_from(self, regression):
        """Take the head from a `LogisticRegression` on the embeddings.

        ValueError if it was fitted to other classes, or to another width.
        """
        order = self.targets(list(np.asarray(regression.classes_).tolist()))
        W, b = regression.coef_, regression.intercept_  # (K, D), (K,)
        if len(W) == 1 and len(order) == 2:  # two classes: a score for one
            W, b = np.concatenate([0 * W, W]), np.concatenate([0 * b, b])
        if len(order) != len(self.classes) or W.T.shape != self.head.weight.shape:
            raise ValueError(f"a regression of {len(order)} classes and "
                             f"{W.shape[1]} columns for a head "
                             f"{self.head.weight.shape}")
        self.head.weight.data[:, order] = W.T
        self.head.bias.data[order] = b
        return self

    def predict(self, texts):
        """The likeliest class of each text."""
        best = self.predict_proba(texts).argmax(axis=1)
        return [self.classes[k] for k in best]

    def predict_proba(self, texts):
        """Probabilities (N, K) of texts, columns as in `classes`."""
        W, b = self.head.weight.data, self.head.bias.data
        return softmax(self.encoder.encode(texts) @ W + b)
