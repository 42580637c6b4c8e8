"""Music: scores are read as music21 reads them, and files are what they say."""

import wave
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest

from oracles import oracle
from zerobook import datasets, music
from zerobook.datasets import chorale_files, load_chorales, split_groups
from zerobook.music import (
    Score, melody_key, midi_pitch, notes_of, read_mxl, score_of, synthesize,
    variable_length, write_midi, write_musicxml, write_wav,
)

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


# ---- files that others open

mido = oracle("mido")

GRID = np.array([[60, -1], [60, 48], [60, 48], [62, 48], [62, -1], [62, 50],
                 [62, 50], [127, 0], [127, 0], [-1, 0]]).repeat(3, axis=0)


def random_score(seed, upbeat=0, metre=(4, 4), sharps=0, T=70):
    """Voices of notes of random lengths, with rests and repeated pitches."""
    rng = np.random.default_rng(seed)
    grid, onset = np.full((T, 3), -1), np.zeros((T, 3), bool)
    for v in range(3):
        t = 0
        while t < T:
            length, pitch = rng.integers(1, 23), rng.integers(40, 80)
            if rng.random() < 0.8:
                grid[t : t + length, v], onset[t, v] = pitch, True
            t += length
    return Score(grid, onset, metre, sharps, upbeat)


SCORES = pytest.mark.parametrize("score", [
    random_score(0), random_score(1, upbeat=4), random_score(2, metre=(3, 4)),
    random_score(3, 6, (6, 8), -3), random_score(4, 8, (3, 2), 4),
    Score(GRID, np.zeros(GRID.shape, bool)),
], ids="plain upbeat waltz flats halves edges".split())


@SCORES
def test_mido_reads_the_notes_that_were_written(score, tmp_path):
    write_midi(tmp_path / "a.mid", score, tempo=90)
    file = mido.MidiFile(tmp_path / "a.mid")
    assert file.ticks_per_beat == 480 and file.type == 1
    head, *tracks = file.tracks
    assert mido.tempo2bpm(head[0].tempo) == pytest.approx(90, abs=1e-3)
    assert (head[1].numerator, head[1].denominator) == score.metre
    for messages, notes in zip(tracks, notes_of(score), strict=True):
        now, down, found = 0, {}, []
        for message in messages:
            now += message.time
            if message.type == "note_on":
                assert message.note not in down
                down[message.note] = now
            elif message.type == "note_off":
                found.append((down.pop(message.note), now, message.note))
        assert not down
        assert sorted(found) == [(120 * a, 120 * b, p) for a, b, p in notes]


@SCORES
def test_music21_reads_the_score_that_was_written(score, tmp_path):
    write_musicxml(tmp_path / "a.musicxml", score)
    found = music21.converter.parse(tmp_path / "a.musicxml",
                                    forceSource=True)
    for part, notes in zip(found.parts, notes_of(score), strict=True):
        read = [(float(n.offset * 4), float((n.offset + n.quarterLength) * 4),
                 n.pitch.midi)
                for n in part.stripTies().flatten().notes]
        assert read == notes
        for bar in part.getElementsByClass("Measure"):
            filled = sum(n.quarterLength for n in bar.notesAndRests)
            assert filled <= bar.barDuration.quarterLength


@SCORES
def test_our_reader_reads_what_our_writer_wrote(score, tmp_path):
    write_musicxml(tmp_path / "a.musicxml", score)
    back = score_of(ElementTree.parse(tmp_path / "a.musicxml").getroot())
    assert notes_of(back) == notes_of(score)
    assert back[2:] == score[2:]


@pytest.mark.parametrize("n", [0, 1, 127, 128, 480, 16383, 16384, 2**28 - 1])
def test_a_time_in_base_128_is_read_back(n):
    digits = variable_length(n)
    assert sum((d % 128) * 128**k for k, d in enumerate(digits[::-1])) == n
    assert all(d >= 128 for d in digits[:-1]) and digits[-1] < 128


def test_a_wav_file_holds_the_samples(tmp_path):
    sound = np.array([0.0, 1.0, -1.0, 0.5])
    write_wav(tmp_path / "a.wav", sound, rate=8000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 4)
        data = np.frombuffer(file.readframes(4), "<i2")
    assert data.tolist() == [0, 32767, -32767, 16384]


@pytest.mark.parametrize("pitch", [45, 57, 69, 81])
def test_the_strongest_frequency_of_a_note_is_its_own(pitch):
    score = Score(np.full((16, 1), pitch), np.eye(16, 1, dtype=bool))
    sound = synthesize(score, tempo=60, rate=8000)
    power = abs(np.fft.rfft(sound * np.hanning(len(sound))))
    hertz = np.fft.rfftfreq(len(sound), 1 / 8000)
    assert hertz[power.argmax()] == pytest.approx(
        440 * 2 ** ((pitch - 69) / 12), abs=0.5)
    assert abs(sound).max() == pytest.approx(0.9)


def test_silence_sounds_like_nothing():
    silence = Score(np.full((16, 2), -1), np.zeros((16, 2), bool))
    assert not synthesize(silence).any()


@pytest.mark.parametrize("change, word", [
    ({"grid": GRID + 1}, "pitch 128 of voice 0 at step 21"),
    ({"grid": GRID - 1}, "pitch -2 of voice 1 at step 0"),
    ({"grid": GRID[:, 0]}, "want whole numbers"),
    ({"grid": GRID / 2}, "want whole numbers"),
    ({"onset": np.zeros((3, 2), bool)}, "differ"),
    ({"metre": (4, 3)}, "metre of 4/3"),
    ({"metre": (0, 4)}, "metre of 0/4"),
])
@pytest.mark.parametrize("write", ["write_midi", "write_musicxml"])
def test_what_cannot_be_written_leaves_no_file(write, change, word, tmp_path):
    good = Score(GRID, np.zeros(GRID.shape, bool))
    with pytest.raises(ValueError, match=word):
        getattr(music, write)(tmp_path / "a", good._replace(**change))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call, word", [
    (lambda p, s: write_midi(p, s, tempo=0), "tempo"),
    (lambda p, s: write_midi(p, s, tempo=1), "tempo"),
    (lambda p, s: synthesize(s, tempo=float("nan")), "tempo"),
    (lambda p, s: synthesize(s, rate=0), "rate"),
    (lambda p, s: write_wav(p, [0.0, 1.5]), "sample 1 is 1.5"),
    (lambda p, s: write_wav(p, [float("nan")]), "sample 0 is nan"),
    (lambda p, s: write_wav(p, [[0.0]]), "shape"),
])
def test_a_wrong_number_is_named_and_leaves_no_file(call, word, tmp_path):
    with pytest.raises(ValueError, match=word):
        call(tmp_path / "a", random_score(0))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_file_before(tmp_path):
    path = tmp_path / "a.mid"
    write_midi(path, random_score(0))
    before = path.read_bytes()
    with pytest.raises(ValueError):
        write_midi(path, Score(GRID + 1, np.zeros(GRID.shape, bool)))
    assert path.read_bytes() == before
