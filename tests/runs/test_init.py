"""Reading what recorded runs have left behind."""

import hashlib
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from zerobook import runs, safetensors


def put(folder, arrays=None, **record):
    """A record named x in a folder."""
    kept = {"name": "x", "results": {"a": [1, 2.5]}, "arrays": None, **record}
    if arrays is not None:
        path = folder / "x.safetensors"
        safetensors.save_file(arrays, path)
        kept["arrays"] = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    (folder / "x.json").write_text(json.dumps(kept))
    return kept


def test_results_and_arrays_come_back_as_they_were(tmp_path):
    arrays = {"w": np.arange(6.0).reshape(2, 3), "i": np.array([7])}
    kept = put(tmp_path, arrays)
    assert runs.read("x", tmp_path) == kept
    back = runs.arrays("x", tmp_path)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


def test_a_run_without_arrays_has_none(tmp_path):
    put(tmp_path)
    assert runs.arrays("x", tmp_path) == {}


@pytest.mark.parametrize("read", [runs.read, runs.arrays])
def test_a_missing_record_is_told_with_the_verb_that_makes_it(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="make runs R=x"):
        read("x", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3"])
def test_a_file_that_is_no_record_is_told_with_its_path(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no record"):
        runs.read("x", tmp_path)


def test_arrays_of_another_run_are_refused(tmp_path):
    put(tmp_path, {"w": np.ones(3)})
    safetensors.save_file({"w": np.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not the file that the run wrote"):
        runs.arrays("x", tmp_path)
    (tmp_path / "x.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="arrays of 'x'"):
        runs.arrays("x", tmp_path)


def test_records_lie_beside_the_package_or_inside_it(tmp_path, monkeypatch):
    package = tmp_path / "zerobook"
    (package / "_book" / "runs").mkdir(parents=True)
    monkeypatch.setattr(runs, "__file__", str(package / "runs/__init__.py"))
    put(package / "_book" / "runs", place="inside")
    assert runs.read("x")["place"] == "inside"
    (tmp_path / "runs").mkdir()
    put(tmp_path / "runs", place="beside")
    assert runs.read("x")["place"] == "beside"


def test_records_are_read_from_an_installed_wheel(wheel, tmp_path, root):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        shipped = {n for n in archive.namelist() if "/_book/runs/" in n}
    files = sorted(p.name for p in (root / "runs").glob("*.*"))
    assert sorted(n.rpartition("/")[2] for n in shipped) == files
    code = (
        "from zerobook import runs\n"
        f"for name in {[n[:-5] for n in files if n.endswith('.json')]}:\n"
        "    assert runs.read(name)['name'] == name\n"
        "    runs.arrays(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
        text=True, env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
