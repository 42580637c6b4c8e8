"""How long learning byte pairs takes, by the length and kind of the text."""

import random
import resource
import subprocess
import sys
import time

from zerobook.datasets import load_book_prose
from zerobook.tokenizers import BPETokenizer, learn_merges

SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
MERGES = 500


def english(n, rng):
    """Words of the book's prose, drawn one by one: few different pieces."""
    words = load_book_prose().train.split()
    return " ".join(rng.choices(words, k=n // 5))


def japanese(n, rng):
    """Runs of 10 to 40 signs out of 3,000, the common ones more often."""
    signs = [chr(0x4E00 + i) for i in range(2_900)]
    signs += [chr(0x3041 + i) for i in range(83)]
    weights = [1 / (1 + rng.randrange(3_000)) for _ in signs]
    row = rng.choices(signs, weights, k=n // 3)
    out, i = [], 0
    while i < len(row):
        step = rng.randint(10, 40)
        out += [*row[i : i + step], "。"]
        i += step
    return "".join(out)


def letters(n, rng):
    """Four letters in one line, as of a genome."""
    return "".join(rng.choices("ACGT", k=n))


def kanji(n, rng):
    """20,000 different signs in one line, each as likely."""
    signs = [chr(0x4E00 + i) for i in range(20_000)]
    return "".join(rng.choices(signs, k=n // 3))


KINDS = {f.__name__: f for f in (english, japanese, letters, kanji)}


def one(kind, size):
    """Seconds to learn and to encode, and megabytes, in this process."""
    text = KINDS[kind](size, random.Random(0))
    text = text.encode()[:size].decode("utf-8", "ignore")
    start = time.process_time()
    merges = learn_merges([text], MERGES)
    learned = time.process_time()
    BPETokenizer(merges).encode(text)
    encoded = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(learned - start, encoded - learned, peak)


def measure(say, kinds=tuple(KINDS), sizes=SIZES):
    """A row for each kind and size, each in a process of its own."""
    rows = []
    say(f"byte pairs: {MERGES} merges\n"
        "text          bytes   learn s  ns/byte   encode s  ns/byte   MB")
    for kind in kinds:
        for size in sizes:
            out = subprocess.run(
                [sys.executable, "-m", "bench.byte_pairs", kind, str(size)],
                check=True, capture_output=True, text=True).stdout
            learn, encode, peak = map(float, out.split())
            rows.append({"text": kind, "bytes": size, "learn": learn,
                         "encode": encode, "megabytes": peak})
            say(f"{kind:9} {size:10,} {learn:9.2f} {learn / size * 1e9:8.0f}"
                f" {encode:10.2f} {encode / size * 1e9:8.0f} {peak:6.0f}")
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(sys.argv[1], int(sys.argv[2]))
    else:
        measure(lambda text: print(text, flush=True))
