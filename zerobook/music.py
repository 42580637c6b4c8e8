# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Music as numbers: read scores, write scores, MIDI and sound."""

from typing import NamedTuple
import numpy as np
import zipfile
from xml.etree import ElementTree


# %% 4.1.3 book/practice/reading_bach.md
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
REST = -1  # stands in a grid where a voice is silent


def midi_pitch(step, octave, alter=0):
    """MIDI number of a letter in an octave: C in octave 4 is 60."""
    return 12 * (int(octave) + 1) + STEPS[step] + int(float(alter))


# %% 4.1.3 book/practice/reading_bach.md
class Score(NamedTuple):
    """Voices on a grid of sixteenth notes.

    Attributes
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
