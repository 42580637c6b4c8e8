"""Networks with a narrow place: how they are built, and what PCA knows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zerobook import functional, nn
from zerobook.decomposition import PCA
from zerobook.optim import Adam, LambdaLR, warmup_cosine


@given(widths=st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_an_mlp_has_a_gelu_between_each_two_layers_and_none_at_the_end(widths):
    kinds = [type(layer) for layer in nn.mlp(widths, rng=0)]
    depth = len(widths) - 1
    assert kinds == ([nn.Linear, nn.GELU] * depth)[:-1]
    assert nn.mlp(widths, rng=0)(np.ones((3, widths[0]))).shape == (
        3, widths[-1])


def test_a_linear_autoencoder_and_pca_meet_in_one_plane():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8)) * np.array([5, 4, 3, 1, 1, 1, 1, 1.0])
    X = (X - X.mean(axis=0)).astype(np.float32)
    pca = PCA(3).fit(X)
    floor = 0.5 * np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    net = nn.Sequential(nn.Linear(8, 3, rng=0), nn.Linear(3, 8, rng=1))
    optimizer = Adam(net.parameters(), lr=2e-2)
    schedule = LambdaLR(optimizer, warmup_cosine(20, 1000))
    for _ in range(1000):
        loss = functional.squared_error(net(X), X)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    Q, _ = np.linalg.qr(net[1].weight.data.T)
    cosines = np.linalg.svd(Q.T @ pca.components_.T, compute_uv=False)
    assert floor - 1e-5 < loss.item() < 1.001 * floor
    assert cosines.min() > 0.999
