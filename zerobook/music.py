# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Music as numbers: read scores, write scores, MIDI and sound."""

from typing import NamedTuple
import numpy as np
import zipfile
from xml.etree import ElementTree
import os
import pathlib
import struct
import tempfile


# %% 4.1.3 book/practice/reading_bach.md
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
REST = -1  # stands in a grid where a voice is silent


def midi_pitch(step, octave, alter=0):
    """MIDI number of a letter in an octave: C in octave 4 is 60."""
    return 12 * (int(octave) + 1) + STEPS[step] + int(float(alter))


# %% 4.1.3 book/practice/reading_bach.md
class Score(NamedTuple):
    """Voices on a grid of sixteenth notes.

    Parameters
    ----------
    grid : ndarray of int, shape (T, V)
        MIDI pitch of each voice in each sixteenth, -1 for silence.
    onset : ndarray of bool, shape (T, V)
        True where a note begins. A tie begins none.
    metre : (int, int)
        Beats of a bar, and which note is a beat: (3, 4).
    sharps : int
        Sharps of the key signature, flats below zero.
    upbeat : int
        Sixteenths before the first whole bar.

    Notes
    -----
    Section 4.1.3.
    """

    grid: np.ndarray
    onset: np.ndarray
    metre: tuple = (4, 4)
    sharps: int = 0
    upbeat: int = 0


# %% 4.1.3 book/practice/reading_bach.md
def part_notes(part):
    """Notes of a MusicXML part: rows (start, end, pitch, begins).

    Times are in sixteenths. ValueError for what a grid cannot hold.
    """
    notes, now, divisions = [], 0, 1
    for bar in part.findall("measure"):
        where = f"part {part.get('id')}, bar {bar.get('number')}"
        for item in bar:
            if item.tag == "attributes":
                divisions = int(item.findtext("divisions", divisions))
            units = item.findtext("duration")
            if units is None:  # a grace note, or no note at all
                continue
            length, over = divmod(4 * int(units), divisions)
            if over:
                raise ValueError(f"{where}: off the grid of sixteenths")
            if item.tag == "note":
                if item.find("chord") is not None or (
                        notes and now < notes[-1][1]):
                    raise ValueError(f"{where}: two notes at once")
                notes.append((now, now + length, *pitch_of(item)))
            now += -length if item.tag == "backup" else length
    return notes


def pitch_of(note):
    """Pitch of a MusicXML note, and whether it begins; silence does not."""
    if note.find("pitch") is None:
        return REST, False
    step, octave, alter = (note.findtext(f"pitch/{name}", "0")
                           for name in ("step", "octave", "alter"))
    ties = [tie.get("type") for tie in note.findall("tie")]
    return midi_pitch(step, octave, alter), "stop" not in ties


# %% 4.1.3 book/practice/reading_bach.md
def score_of(root):
    """The `Score` of a parsed MusicXML document."""
    if root.tag != "score-partwise":
        raise ValueError(f"<{root.tag}> is no <score-partwise>")
    parts = [part_notes(part) for part in root.findall("part")]
    if not any(parts):
        raise ValueError("a score without notes")
    T = max(notes[-1][1] for notes in parts if notes)
    grid = np.full((T, len(parts)), REST, np.int16)
    onset = np.zeros(grid.shape, bool)
    for v, notes in enumerate(parts):
        for start, end, pitch, begins in notes:
            grid[start:end, v] = pitch
            onset[start, v] = begins
    beats = int(root.findtext(".//time/beats", "4"))
    beat_type = int(root.findtext(".//time/beat-type", "4"))
    sharps = int(root.findtext(".//key/fifths", "0"))
    upbeat = upbeat_of(root, 16 * beats // beat_type)
    return Score(grid, onset, (beats, beat_type), sharps, upbeat)


def upbeat_of(root, bar_length):
    """Sixteenths of the first bar, 0 if it is a whole one."""
    divisions = int(root.findtext(".//divisions", "1"))
    units = sum(int(note.findtext("duration", "0"))
                for note in root.find("part/measure").iter("note"))
    return 4 * units // divisions % bar_length


# %% 4.1.3 book/practice/reading_bach.md
def read_mxl(path):
    """Read a compressed MusicXML file as a `Score`.

    Parameters
    ----------
    path : path
        A ``.mxl`` file whose parts hold one voice each.

    Returns
    -------
    Score

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no zip file, names no score, is damaged, or holds what does
        not fit: two notes at once in a part, notes off the grid of
        sixteenths. The message names the file, and the bar where it can.

    Notes
    -----
    Section 4.1.3. Reads notes as they are written: repeats are not played.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = ElementTree.fromstring(
                archive.read("META-INF/container.xml"))
            name = next(item.get("full-path") for item in names.iter()
                        if item.tag.endswith("rootfile"))
            return score_of(ElementTree.fromstring(archive.read(name)))
    except FileNotFoundError:
        raise
    except StopIteration:
        raise ValueError(f"{path}: the container names no score") from None
    except Exception as error:  # zip, XML and what stands in them
        raise ValueError(f"{path}: {error or type(error).__name__}") from error


# %% 4.1.3 book/practice/reading_bach.md
def melody_key(score, n_intervals=8):
    """First steps of the top voice in semitones, the same in every key."""
    melody = score.grid[score.onset[:, 0], 0]
    return tuple(np.diff(melody[: n_intervals + 1].astype(int)).tolist())


# %% 4.1.3 book/practice/making_it_heard.md
def notes_of(score):
    """Notes of each voice: lists of (start, end, pitch), in sixteenths.

    Raises
    ------
    ValueError
        If grid and onset differ in shape, or a pitch lies outside -1 .. 127;
        the message names the voice and the step. Section 4.1.3.
    """
    grid, onset = np.asarray(score.grid), np.asarray(score.onset, bool)
    if grid.ndim != 2 or grid.dtype.kind not in "iu":
        raise ValueError(f"grid {grid.dtype} of shape {grid.shape}: want "
                         "whole numbers (T, V)")
    if grid.shape != onset.shape:
        raise ValueError(f"grid {grid.shape} and onset {onset.shape} differ")
    for t, v in np.argwhere((grid < REST) | (grid > 127))[:1]:
        raise ValueError(f"pitch {grid[t, v]} of voice {v} at step {t} lies "
                         "outside 0 .. 127 (-1 is silence)")
    voices = []
    for column, begins in zip(grid.T.tolist(), onset.T):
        notes, before = [], REST
        for t, pitch in enumerate(column):
            if pitch != REST and (begins[t] or pitch != before):
                notes.append((t, t + 1, pitch))
            elif pitch != REST:
                notes[-1] = notes[-1][0], t + 1, pitch
            before = pitch
        voices.append(notes)
    return voices


# %% 4.1.3 book/practice/making_it_heard.md
def variable_length(n):
    """A whole number in base 128, all digits but the last plus 128."""
    digits = [n % 128]
    while n := n // 128:
        digits.insert(0, n % 128 + 128)
    return bytes(digits)


# %% 4.1.3 book/practice/making_it_heard.md
def write_whole(path, data):
    """Write bytes to a file that appears whole or not at all."""
    path = pathlib.Path(path)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(part, 0o644)
        os.replace(part, path)
    finally:
        pathlib.Path(part).unlink(missing_ok=True)


def positive(name, x):
    """ValueError unless a number is above zero and finite."""
    if not 0 < x < np.inf:
        raise ValueError(f"{name} must be positive, got {x}")


# %% 4.1.3 book/practice/making_it_heard.md
def track(events):
    """A chunk of a MIDI file from pairs (tick, message)."""
    data, now = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        data += variable_length(tick - now) + message
        now = tick
    data += b"\0\xff\x2f\0"  # end of track
    return b"MTrk" + struct.pack(">I", len(data)) + data


def write_midi(path, score, *, tempo=80):
    """Write a `Score` as a MIDI file, a track for each voice.

    `tempo` is in quarter notes per minute. ValueError, and no file, for a
    pitch outside 0 .. 127, a metre whose beat is no power of two, or a tempo
    that MIDI cannot say (about 4 to 60 million). Section 4.1.3.
    """
    positive("tempo", tempo)
    beats, kind = score.metre
    microseconds = round(60e6 / tempo)
    if not 0 < microseconds < 2**24:
        raise ValueError(f"MIDI cannot say a tempo of {tempo}")
    if kind < 1 or kind & (kind - 1) or not 0 < beats < 256:
        raise ValueError(f"MIDI cannot say a metre of {beats}/{kind}")
    head = [(0, b"\xff\x51\x03" + microseconds.to_bytes(3, "big")),
            (0, bytes([255, 88, 4, beats, kind.bit_length() - 1, 24, 8]))]
    tracks = [track(head)]
    for v, notes in enumerate(notes_of(score)):
        channel = v % 9  # the tenth is for drums
        up = [(120 * end, bytes([0x80 + channel, pitch, 0]))
              for _, end, pitch in notes]
        down = [(120 * start, bytes([0x90 + channel, pitch, 80]))
                for start, _, pitch in notes]
        tracks.append(track(up + down))
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), 480)
    write_whole(path, header + b"".join(tracks))


# %% 4.1.3 book/practice/making_it_heard.md
def tone(pitch, seconds, rate):
    """One note: six overtones that die away, shape (seconds * rate,)."""
    t = np.arange(round(seconds * rate)) / rate
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave = np.zeros(len(t))
    for k in range(1, 7):
        if k * frequency < rate / 2:  # higher ones would sound lower
            wave += np.sin(2 * np.pi * k * frequency * t) * np.exp(
                -k * t) / k**1.5
    rise, fall = t / 0.01, (seconds - t) / 0.04
    return wave * np.minimum(1, np.minimum(rise, fall))


def synthesize(score, *, tempo=80, rate=22050):
    """A sound wave of a `Score`, its loudest sample 0.9.

    Parameters
    ----------
    score : Score
    tempo : float
        Quarter notes per minute.
    rate : int
        Samples per second.

    Returns
    -------
    ndarray of shape (N,)
        Between -1 and 1; silence is zero.

    Notes
    -----
    Section 4.1.3. ValueError for a pitch outside 0 .. 127.
    """
    positive("tempo", tempo)
    positive("rate", rate)
    step, voices = 15 / tempo, notes_of(score)  # seconds of a sixteenth
    sound = np.zeros(round(len(score.grid) * step * rate) + 1)
    for start, end, pitch in sum(voices, []):
        first = round(start * step * rate)
        wave = tone(pitch, (end - start) * step, rate)
        wave = wave[: len(sound) - first]
        sound[first : first + len(wave)] += wave
    return sound * (0.9 / max(abs(sound).max(initial=0), 1e-9))


# %% 4.1.3 book/practice/making_it_heard.md
def write_wav(path, sound, rate=22050):
    """Write samples between -1 and 1, shape (N,), as a WAV file of 16 bits.

    ValueError, and no file, if a sample is NaN or lies outside -1 .. 1.
    Section 4.1.3.
    """
    sound = np.asarray(sound, float)
    positive("rate", rate)
    if sound.ndim != 1:
        raise ValueError(f"sound of shape {sound.shape}: want (N,)")
    wrong = np.flatnonzero(~(abs(sound) <= 1))
    if len(wrong):
        raise ValueError(f"sample {wrong[0]} is {sound[wrong[0]]}, outside "
                         "-1 .. 1")
    data = np.rint(sound * 32767).astype("<i2").tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16,
        1, 1, int(rate), 2 * int(rate), 2, 16, b"data", len(data))
    write_whole(path, header + data)


# %% 4.1.3 book/practice/making_it_heard.md
SIGNS = {16: "whole", 12: "half.", 8: "half", 6: "quarter.", 4: "quarter",
         3: "eighth.", 2: "eighth", 1: "16th"}


def pieces_of(start, end, bar, upbeat):
    """Cut a time at bar lines, and into lengths that have a sign.

    Examples
    --------
    >>> pieces_of(12, 21, bar=16, upbeat=0)
    [(12, 16), (16, 20), (20, 21)]
    """
    pieces = []
    while start < end:
        line = start + bar - (start - upbeat) % bar
        if start < upbeat:
            line = upbeat
        length = min(end, line) - start
        length = next(n for n in SIGNS if n <= length)
        pieces.append((start, start + length))
        start += length
    return pieces


# %% 4.1.3 book/practice/making_it_heard.md
def note_xml(pitch, length, sharps, stops, starts):
    """One `<note>` of MusicXML; silence for -1."""
    letters = "C C# D D# E F F# G G# A A# B" if sharps >= 0 else (
        "C Db D Eb E F Gb G Ab A Bb B")
    name, sign = letters.split()[pitch % 12], SIGNS[length]
    alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(
        name[1:], "")
    what = (f"<pitch><step>{name[0]}</step>{alter}<octave>{pitch // 12 - 1}"
            "</octave></pitch>") if pitch != REST else "<rest/>"
    kinds = ["stop"] * stops + ["start"] * starts
    ties = "".join(f'<tie type="{kind}"/>' for kind in kinds)
    drawn = "".join(f'<tied type="{kind}"/>' for kind in kinds)
    return (f"<note>{what}<duration>{length}</duration>{ties}"
            f"<type>{sign.rstrip('.')}</type>{'<dot/>' * (sign[-1] == '.')}"
            f"<notations>{drawn}</notations></note>")


# %% 4.1.3 book/practice/making_it_heard.md
CLEFS = ("<sign>G</sign><line>2</line>",
         "<sign>G</sign><line>2</line><clef-octave-change>-1"
         "</clef-octave-change>", "<sign>F</sign><line>4</line>")


def part_xml(score, v, notes):
    """The bars of one voice as MusicXML."""
    beats, kind = score.metre
    bar, T = 16 * beats // kind, len(score.grid)
    bars, now = {}, 0
    for start, end, pitch in [*notes, (T, T, REST)]:
        for first, last, key in ((now, start, REST), (start, end, pitch)):
            cut = pieces_of(first, last, bar, score.upbeat)
            for a, b in cut:
                number = (a - score.upbeat) // bar + 1
                bars.setdefault(number, []).append(note_xml(
                    key, b - a, score.sharps,
                    key != REST and a > first, key != REST and b < last))
        now = end
    middle = np.mean([pitch for _, _, pitch in notes] or [60])
    clef = CLEFS[int(middle < 62) + int(middle < 54)]
    head = (f"<attributes><divisions>4</divisions><key><fifths>"
            f"{score.sharps}</fifths></key><time><beats>{beats}</beats>"
            f"<beat-type>{kind}</beat-type></time><clef>{clef}</clef>"
            "</attributes>")
    return "".join(
        f'<measure number="{number}">{head * (k == 0)}{"".join(inside)}'
        "</measure>" for k, (number, inside) in enumerate(bars.items()))


# %% 4.1.3 book/practice/making_it_heard.md
def write_musicxml(path, score):
    """Write a `Score` as MusicXML, a part for each voice.

    Any notation program opens it. ValueError, and no file, for a pitch
    outside 0 .. 127, a score without steps, or a metre that does not fit the
    grid of sixteenths. Section 4.1.3.
    """
    beats, kind = score.metre
    if beats < 1 or kind not in (1, 2, 4, 8, 16):
        raise ValueError(f"a metre of {beats}/{kind} does not fit sixteenths")
    voices = notes_of(score)
    if not score.grid.size:
        raise ValueError("a score without steps")
    names = "".join(f'<score-part id="P{v}"><part-name>Voice {v}</part-name>'
                    "</score-part>" for v in range(1, len(voices) + 1))
    parts = "".join(f'<part id="P{v}">{part_xml(score, v, notes)}</part>'
                    for v, notes in enumerate(voices, start=1))
    text = ('<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version='
            f'"4.0"><part-list>{names}</part-list>{parts}</score-partwise>\n')
    write_whole(path, text.encode())
