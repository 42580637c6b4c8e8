"""`py.typed` is honest: a type checker finds nothing wrong in a user's file."""

import subprocess
import sys

import pytest

LOOP = """
import numpy as np

from zerobook import functional as F
from zerobook import nn
from zerobook.data import DataLoader, TensorDataset
from zerobook.optim import Adam
from zerobook.training import accuracy, evaluate

X, y = np.random.rand(64, 8).astype(np.float32), np.arange(64) % 3
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = Adam(model.parameters(), lr=1e-2)
loader = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=True, rng=0)
for xb, yb in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(xb), yb)
    loss.backward()
    optimizer.step()
    print(f"{float(loss):.3f}", loss.item())
state = loader.state_dict()
a = model.eval()(X)
print((a + a * 2 - 2 * a).sum().item(), len(a), a.argmax(axis=1).data)
print(evaluate(model, accuracy, loader), model.state_dict().keys())
"""

CLASSIC = """
from zerobook.datasets import make_moons
from zerobook.linear_model import LogisticRegression
from zerobook.metrics import accuracy_score
from zerobook.model_selection import (
    GridSearchCV, cross_val_score, train_test_split,
)
from zerobook.neighbors import KNeighborsClassifier
from zerobook.preprocessing import StandardScaler

X, y = make_moons(400, noise=0.2, rng=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, rng=0)
scaler = StandardScaler().fit(X_train)
model = LogisticRegression(C=1.0).fit(scaler.transform(X_train), y_train)
print(accuracy_score(y_test, model.predict(scaler.transform(X_test))))
search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5]})
search.fit(X_train, y_train)
print(search.best_params_, search.best_score_, search.predict(X_test)[:3])
print(cross_val_score(model, X, y).mean().round(3))
"""

FOLDER = """
import tempfile

from zerobook.interop.huggingface import load_gpt, save_gpt
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.tokenizers import BPETokenizer

tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
model = GPT(GPTConfig(tokenizer.vocab_size, 16, 16, 1, 2), rng=0)
ids = tokenizer.encode("low")
print(tokenizer.decode(list(model.generate(ids, 5, rng=0))))
with tempfile.TemporaryDirectory() as folder:
    save_gpt(model, tokenizer, folder)
    again, words = load_gpt(folder)
    assert words is not None
    print(words.decode(list(again.generate(ids, 3, temperature=0))))
"""


def said(tool, root, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=folder, text=True,
        capture_output=True, env={"MYPYPATH": str(root), "PYTHONPATH": str(root),
                                  "PATH": "/usr/bin:/bin", "HOME": str(folder)})


@pytest.fixture
def programs(tmp_path):
    for name, text in (("loop", LOOP), ("classic", CLASSIC),
                       ("folder", FOLDER)):
        (tmp_path / f"{name}.py").write_text(text.lstrip())
    return tmp_path


def test_mypy_finds_nothing_in_three_programs(root, programs):
    pytest.importorskip("mypy")
    done = said("mypy", root, programs, "--no-incremental", "loop.py",
                "classic.py", "folder.py")
    assert done.stdout.strip() == "Success: no issues found in 3 source files"


def test_mypy_would_find_a_wrong_name(root, programs):
    pytest.importorskip("mypy")
    (programs / "wrong.py").write_text(
        "from zerobook import nn\nnn.Linear(1, 2).no_such_thing\n")
    done = said("mypy", root, programs, "--no-incremental", "wrong.py")
    assert 'has no attribute "no_such_thing"' in done.stdout


def test_the_programs_run(root, programs):
    for name in ("loop", "classic", "folder"):
        done = subprocess.run([sys.executable, f"{name}.py"], cwd=programs,
                              env={"PYTHONPATH": str(root)}, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stderr
