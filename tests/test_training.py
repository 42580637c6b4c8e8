"""The loop, and a run that is killed for real and goes on bit for bit."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from zerobook import functional as F
from zerobook import nn, optim, safetensors, training
from zerobook.autograd import Tensor
from zerobook.data import DataLoader, TensorDataset
from zerobook.checkpoint import MARK, REST, Checkpoint, split_state
from zerobook.training import AveragedModel, NotANumber, evaluate, fit

PROGRAM = """
import sys, time
import numpy as np
from zerobook import functional, nn, optim, training
from zerobook.checkpoint import Checkpoint
from zerobook.data import DataLoader, TensorDataset

path, log, pause = sys.argv[1], open(sys.argv[2], "a"), float(sys.argv[3])
rng = np.random.default_rng(0)
X, y = rng.normal(size=(50, 8)), rng.integers(0, 3, 50)
net = nn.Sequential(nn.Linear(8, 16, rng=1), nn.ReLU(),
                    nn.Dropout(0.2, rng=2), nn.Linear(16, 3, rng=3))
adam = optim.AdamW(net.parameters(), lr=0.01)
slower = optim.CosineAnnealingLR(adam, 60)
loader = DataLoader(TensorDataset(X, y), 16, shuffle=True, rng=4)
checkpoint = Checkpoint(path, net, optimizer=adam, schedule=slower,
                        loader=loader)
first = checkpoint.load()[0] if checkpoint.exists() else 0

def after_step(step, loss):
    print(step, loss.hex(), file=log, flush=True)
    checkpoint.save(step)
    time.sleep(pause)

training.fit(net, functional.cross_entropy, loader, adam, epochs=15,
             schedule=slower, after_step=after_step, first_step=first)
"""


def start(root, folder, name, pause):
    words = [sys.executable, "-c", PROGRAM, folder / name,
             folder / f"{name}.log", str(pause)]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(root)})


def log(folder, name):
    file = folder / f"{name}.log"
    lines = file.read_text().splitlines() if file.exists() else []
    # a kill may cut the last line in half
    return [tuple(s.split()) for s in lines if len(s.split()) == 2]


def test_killed_at_any_moment_and_resumed_is_the_same_run(root, tmp_path):
    assert start(root, tmp_path, "quiet", 0).wait() == 0
    truth = dict(log(tmp_path, "quiet"))
    assert len(truth) == 60
    rng, lives = np.random.default_rng(0), 0
    while True:
        seen = len(log(tmp_path, "killed"))
        process = start(root, tmp_path, "killed", 0.005)
        while process.poll() is None and len(log(tmp_path, "killed")) < (
            seen + 5
        ):
            time.sleep(0.002)
        # then anywhere: between two steps, or in the middle of a write
        time.sleep(rng.uniform(0, 0.03))
        lives += 1
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.kill()
        process.wait()
    seen = log(tmp_path, "killed")
    assert lives > 3 and {step for step, _ in seen} == set(truth)
    assert all(truth[step] == loss for step, loss in seen)


def run(dtype=np.float32):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    net = nn.Sequential(nn.Linear(4, 6, rng=1, dtype=dtype), nn.Tanh(),
                        nn.Dropout(0.5, rng=2),
                        nn.Linear(6, 3, rng=3, dtype=dtype))
    adam = optim.Adam(net.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(X, y), 8, shuffle=True, rng=0)
    return net, adam, loader


def trained(tmp_path):
    net, adam, loader = run()
    fit(net, F.cross_entropy, loader, adam, epochs=2)
    checkpoint = Checkpoint(tmp_path / "c", net, optimizer=adam,
                            loader=loader)
    checkpoint.save(6, best=0.25)
    return checkpoint


def test_a_checkpoint_brings_back_everything(tmp_path):
    old = trained(tmp_path)
    net, adam, loader = run()
    new = Checkpoint(tmp_path / "c", net, optimizer=adam, loader=loader)
    assert new.load() == (6, {"best": 0.25})
    curves = [
        fit(c.model, F.cross_entropy, c.parts["loader"], c.parts["optimizer"],
            epochs=4, first_step=6)
        for c in (old, new)
    ]
    assert len(curves[0]) == 6 and curves[0] == curves[1]


def cut(folder):
    file = folder / "c.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def no_safetensors(folder):
    (folder / "c.safetensors").write_bytes(b"\x89PNG\r\n\x1a\n" * 100)


def nothing(folder):
    (folder / "c.safetensors").unlink()


def weights_alone(folder):
    safetensors.save_file({"w": np.ones(2)}, folder / "c.safetensors")


def edited(change):
    """A damage: what `change` does to the state in the file."""

    def damage(folder):
        file = folder / "c.safetensors"
        arrays = safetensors.load_file(file)
        rest = json.loads(arrays[REST].tobytes())
        text = json.dumps(change(rest, rest["parts"]) or rest).encode()
        arrays[REST] = np.frombuffer(text, np.uint8)
        safetensors.save_file(arrays, file, MARK)

    damage.__name__ = change.__name__
    return damage


@edited
def key_missing(rest, parts):
    del parts["model"]["0.bias"]


@edited
def array_missing(rest, parts):
    parts["model"]["0.bias"] = {"$array": "nowhere"}


@edited
def unknown_mark(rest, parts):
    parts["model"]["0.bias"] = {"$run": "rm"}


@edited
def part_missing(rest, parts):
    del parts["loader"]


@edited
def memory_of_another_shape(rest, parts):
    parts["optimizer"]["state"][0]["m"] = [0.0]


@edited
def generator_missing(rest, parts):
    parts["generators"] = {}


@edited
def generator_of_another_kind(rest, parts):
    parts["generators"]["2"]["bit_generator"] = "MT19937"


@edited
def a_list(rest, parts):
    return [1]


@pytest.mark.parametrize("damage", [
    cut, no_safetensors, nothing, weights_alone, key_missing, array_missing,
    unknown_mark, part_missing, memory_of_another_shape, generator_missing,
    generator_of_another_kind, a_list,
], ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_is_named_and_changes_nothing(damage, tmp_path):
    trained(tmp_path)
    damage(tmp_path)
    net, adam, loader = run()
    new = Checkpoint(tmp_path / "c", net, optimizer=adam, loader=loader)
    flat = {}
    before = split_state(new.state(), flat)
    flat = {k: v.copy() for k, v in flat.items()}
    with pytest.raises(ValueError, match="c.safetensors: (no checkpoint|does)"):
        new.load()
    now = {}
    assert split_state(new.state(), now) == before
    for name, array in flat.items():
        np.testing.assert_array_equal(now[name], array)


def test_a_model_of_another_width_is_named(tmp_path):
    trained(tmp_path)
    net = nn.Sequential(nn.Linear(4, 7, rng=0))
    with pytest.raises(ValueError, match=r"0.weight: shape \(4, 6\)"):
        Checkpoint(tmp_path / "c", net).load()


def test_a_loss_that_is_no_number_is_named_with_its_step():
    net, adam, loader = run()

    def poison(step, loss):
        if step == 4:
            net[0].weight.data[...] = np.nan

    with pytest.raises(NotANumber, match="step 4: the loss is nan"):
        fit(net, F.cross_entropy, loader, adam, epochs=3, after_step=poison)


def test_evaluation_weighs_rows_alike_and_leaves_the_mode_alone():
    net, _, loader = run()
    net.train()
    X, y = loader.dataset.arrays
    whole = F.cross_entropy(net.eval()(X), y).item()
    net.train()
    assert np.isclose(evaluate(net, F.cross_entropy, loader), whole)
    assert net.training and net[2].training
    right = (net.eval()(X).data.argmax(1) == y).mean()
    assert np.isclose(evaluate(net, training.accuracy, loader), right)


def test_the_bar_ends_at_the_last_step(capsys):
    net, adam, loader = run()
    fit(net, F.cross_entropy, loader, adam, epochs=2, progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and "6/6" in shown.err and shown.err[-1] == "\n"


def test_one_batch_is_memorised_through_the_loop():
    net, _, loader = run()
    net[2].p = 0.0
    adam = optim.Adam(net.parameters(), lr=0.05)
    batch = DataLoader(TensorDataset(*(a[:8] for a in loader.dataset.arrays)),
                       8)
    curve = fit(net, F.cross_entropy, batch, adam, epochs=300)
    assert abs(curve[0] - np.log(3)) < 0.5 and curve[-1] < 0.05


@pytest.mark.parametrize("first, epochs", [(0, 1), (2, 1), (3, 2), (6, 2)])
def test_a_run_ends_at_its_last_step_wherever_it_began(first, epochs):
    net, adam, loader = run()
    seen = []
    curve = fit(net, F.cross_entropy, loader, adam, epochs=epochs,
                first_step=first, after_step=lambda step, _: seen.append(step))
    assert len(curve) == epochs * len(loader) - first
    assert seen == list(range(first + 1, epochs * len(loader) + 1))


def test_the_end_of_a_pass_is_told_once():
    net, adam, loader = run()
    for _ in loader:
        state = loader.state_dict()
    loader.load_state_dict(state)  # all batches dealt, the pass not closed
    told = []
    fit(net, F.cross_entropy, loader, adam, epochs=2, first_step=3,
        after_epoch=told.append)
    assert told == [2]


def test_parts_keep_their_modes_through_evaluation_and_training():
    net, adam, loader = run()
    net[2].eval()

    def fails(logits, y):
        raise KeyError("metric")

    with pytest.raises(KeyError):
        evaluate(net, fails, loader)
    assert net.training and not net[2].training
    seen = []
    fit(net, F.cross_entropy, loader, adam, epochs=2, after_step=lambda *_:
        seen.append((net[0].training, net[2].training)))
    assert set(seen) == {(True, False)}


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_accuracy_takes_arrays_and_tensors_of_the_right_shape(kind):
    assert training.accuracy(kind(np.eye(3)), kind(np.arange(3))) == 1.0
    with pytest.raises(ValueError, match=r"\(3, 1\)"):
        training.accuracy(kind(np.eye(3)), kind(np.arange(3)[:, None]))


# ---- the running mean of the weights


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_averaged_model_and_torchs_agree(decay):
    torch = pytest.importorskip("torch")
    swa = torch.optim.swa_utils
    ours, theirs = nn.Linear(3, 2, rng=0), torch.nn.Linear(3, 2)
    mean = AveragedModel(ours, decay)
    mean_torch = swa.AveragedModel(
        theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(decay))
    rng = np.random.default_rng(0)
    for _ in range(5):
        for p in ours.parameters():
            p.data[...] = rng.normal(size=p.shape)
        theirs.load_state_dict({name: torch.tensor(a.T.copy())
                                for name, a in ours.state_dict().items()})
        mean.update_parameters(ours)
        mean_torch.update_parameters(theirs)
    assert mean.n_averaged == mean_torch.n_averaged == 5
    for name, p in mean_torch.module.named_parameters():
        np.testing.assert_allclose(
            mean.state_dict()[f"module.{name}"], p.detach().numpy().T, atol=1e-6)


def test_the_average_is_a_copy_that_training_does_not_move():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    mean = AveragedModel(model, 0.9)
    before = {name: a.copy() for name, a in mean.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(8, 2))
    (model(x) ** 2).sum().backward()
    optimizer.step()
    assert all((mean.state_dict()[name] == a).all()
               for name, a in before.items())
    assert not mean.module.training and model.training
    mean.update_parameters(model)
    for name, a in model.state_dict().items():  # the first update copies
        assert np.allclose(mean.state_dict()[f"module.{name}"], a)
    assert not mean(x).requires_grad


def test_an_average_that_would_keep_everything_is_refused():
    with pytest.raises(ValueError, match="decay must lie in 0 .. 1, got 1"):
        AveragedModel(nn.Linear(1, 1), 1)
