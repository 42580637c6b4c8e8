"""Music: scores are read as music21 reads them, and files are what they say."""

import zipfile

import numpy as np
import pytest

from oracles import oracle
from zerobook import datasets
from zerobook.datasets import chorale_files, load_chorales, split_groups
from zerobook.music import Score, melody_key, midi_pitch, read_mxl

music21 = oracle("music21")

CONTAINER = ('<container><rootfiles><rootfile full-path="a.xml"/></rootfiles>'
             "</container>")


def note(pitch="<pitch><step>C</step><octave>4</octave></pitch>", length=4,
         more=""):
    """One note of MusicXML; four divisions are a quarter."""
    return f"<note>{more}{pitch}<duration>{length}</duration></note>"


def document(notes):
    return ("<score-partwise><part id='P1'><measure number='1'><attributes>"
            "<divisions>4</divisions></attributes>" + notes
            + "</measure></part></score-partwise>")


@pytest.fixture
def written(tmp_path):
    """A .mxl file with some notes, or with what stands in `entries`."""
    def write(notes="", entries=None):
        path = tmp_path / "a.mxl"
        entries = entries or {"META-INF/container.xml": CONTAINER,
                              "a.xml": document(notes)}
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in entries.items():
                archive.writestr(name, text)
        return path
    return write


@pytest.fixture
def files():
    """Forty chorale files, evenly from all; the whole set takes a minute."""
    music21.converter  # skips where it is not installed
    files = chorale_files()
    return files[:: len(files) // 40]


def test_notes_and_onsets_of_forty_chorales_are_those_of_music21(files):
    compared = 0
    for path in files:
        try:
            score = read_mxl(path)
        except ValueError:
            continue
        parts = music21.converter.parse(str(path), forceSource=True).parts
        assert len(parts) == score.grid.shape[1]
        for v, part in enumerate(parts):
            wanted = [
                (float(n.offset * 4), n.pitch.midi)
                for n in part.flatten().notes
                if not n.duration.isGrace
                and (n.tie is None or n.tie.type == "start")
            ]
            times = np.flatnonzero(score.onset[:, v])
            assert [(t, score.grid[t, v]) for t in times] == wanted, path
            compared += len(wanted)
    assert compared > 5000


def test_a_tie_begins_no_note_and_a_grace_note_takes_no_time(written):
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    score = read_mxl(written(note() + note(more='<tie type="stop"/>') + grace
                             + note("<rest/>", 2)))
    assert score.grid[:, 0].tolist() == [60] * 8 + [-1] * 2
    assert score.onset[:, 0].tolist() == [True] + [False] * 9


@pytest.mark.parametrize("step, octave, alter, pitch", [
    ("C", 4, 0, 60), ("A", 4, 0, 69), ("B", 3, 1, 60), ("C", -1, 0, 0),
    ("E", "5", "-1", 75),
])
def test_a_letter_and_an_octave_are_a_midi_number(step, octave, alter, pitch):
    assert midi_pitch(step, octave, alter) == pitch


@pytest.mark.parametrize("entries, word", [
    ({"a.xml": "<a/>"}, "container"),
    ({"META-INF/container.xml": "<container/>"}, "names no score"),
    ({"META-INF/container.xml": "<broken"}, "a.mxl"),
    ({"META-INF/container.xml": CONTAINER}, "a.xml"),
    ({"META-INF/container.xml": CONTAINER, "a.xml": "<score-timewise/>"},
     "score-timewise"),
    ({"META-INF/container.xml": CONTAINER, "a.xml": "<score-partwise/>"},
     "without notes"),
])
def test_a_damaged_file_is_told_by_its_name(written, entries, word):
    with pytest.raises(ValueError, match=word) as caught:
        read_mxl(written(entries=entries))
    assert "a.mxl" in str(caught.value)


@pytest.mark.parametrize("notes, word", [
    (note(length=4) + note(more="<chord/>"), "bar 1: two notes at once"),
    (note(length=1.5), "a.mxl"),
    (note() + "<backup><duration>4</duration></backup>" + note(), "at once"),
    (note("<pitch><step>H</step><octave>4</octave></pitch>"), "a.mxl"),
])
def test_what_a_grid_cannot_hold_is_an_error(written, notes, word):
    with pytest.raises(ValueError, match=word):
        read_mxl(written(notes))


@pytest.mark.parametrize("length", [0, 10, 200])
def test_a_file_cut_short_is_an_error_with_its_name(written, length):
    path = written(note())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="a.mxl"):
        read_mxl(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mxl(tmp_path / "none.mxl")


# ---- all of them

@pytest.fixture
def four_parts(tmp_path, monkeypatch):
    """A folder with two small chorales, and a cache of its own."""
    monkeypatch.setenv("ZEROBOOK_DATA", str(tmp_path / "cache"))
    part = document(note() * 3).split("<part ")[1].split("</score")[0]
    for name, parts in (("bwv1", 4), ("bwv2", 4), ("bwv3", 3)):
        text = "<score-partwise>" + ("<part " + part) * parts
        with zipfile.ZipFile(tmp_path / f"{name}.mxl", "w") as archive:
            archive.writestr("META-INF/container.xml", CONTAINER)
            archive.writestr("a.xml", text + "</score-partwise>")
    return tmp_path


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_cache_gives_back_what_was_read(four_parts, monkeypatch):
    first = load_chorales(four_parts)
    assert first.names == ["bwv1", "bwv2"]
    assert first.groups.tolist() == [0, 0]
    monkeypatch.setattr(datasets, "read_chorales", None)
    again = load_chorales(four_parts)
    assert again.names == first.names
    assert all(map(same, again.scores, first.scores))


def test_a_changed_folder_or_a_damaged_cache_is_read_again(four_parts):
    load_chorales(four_parts)
    (four_parts / "bwv2.mxl").unlink()
    assert load_chorales(four_parts).names == ["bwv1"]
    [cache] = (four_parts / "cache").iterdir()
    cache.write_bytes(cache.read_bytes()[:100])
    assert load_chorales(four_parts).names == ["bwv1"]


def test_without_music21_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match=r"zerobook\[music\]"):
        load_chorales()


def test_a_folder_without_chorales_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        load_chorales(tmp_path)


def test_a_melody_has_the_same_key_wherever_it_starts():
    grid = np.array([[60], [60], [62], [59]])
    onset = np.array([[True], [False], [True], [True]])
    assert melody_key(Score(grid, onset)) == (2, -3)
    assert melody_key(Score(grid + 5, onset)) == (2, -3)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_stands_on_two_sides(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 30, 100)
    parts = split_groups(groups, (0.6, 0.2), rng=seed)
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert sum(len(set(groups[part])) for part in parts) == len(set(groups))
    assert len(parts[0]) <= 60 and len(parts[1]) <= 20
