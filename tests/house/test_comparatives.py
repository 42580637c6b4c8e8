"""A sentence that compares stands where a cell asserts.

The kind: "better", "twice", "never" in the prose, and no check under the same
heading, so that nothing notices when the run stops saying so. What was there
when the test began is allowed and listed by ``python -m
tests.house.comparatives``; the allowance of a page may only shrink.
"""

import json

import pytest

from tests.house.comparatives import ALLOWANCE, all_claims, claims
from zerobook.press.reading import read_page

FOUND = all_claims()
ALLOWED = json.loads(ALLOWANCE.read_text("utf8"))


@pytest.mark.parametrize("path", FOUND)
def test_no_page_compares_more_often_than_it_asserts(path):
    found = FOUND[path]
    said = "\n".join(f"{path}:{line}: {words}" for line, words in found)
    assert len(found) <= ALLOWED.get(path, 0), said


def test_the_allowance_names_pages_that_exist():
    assert set(ALLOWED) <= set(FOUND)


PAGE = """# 1.1 T

## A

Ours is twice as fast.

## B

Ours is better.

```{code-cell} python
:tags: [check]

assert 2 > 1
```

## C

Is ours better?
The cat sat on the mat.
"""


def test_only_the_claim_without_a_check_is_found():
    page, _ = read_page("t.md", PAGE)
    assert claims(page, PAGE) == [(5, "Ours is twice as fast.")]
