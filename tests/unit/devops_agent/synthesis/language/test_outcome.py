"""What a search hands over of its edits: complete, and never at the cost of the search."""

import time

from devops_agent.synthesis.language.outcome import ranked
from devops_agent.synthesis.language.pool import Variant
from devops_agent.synthesis.language.scrubbing import Scrubber
from devops_agent.synthesis.port import Candidate
from tests.fakes.evaluator import python_bundle

SOURCE = "def run(data, context):\n    return data\n"


def candidate(before: str, after: str) -> Candidate:
    incumbent = Variant(
        bundle=python_bundle(SOURCE).replace({"data.txt": before.encode()}), scores={}
    )
    improved = Variant(
        bundle=python_bundle(SOURCE).replace({"data.txt": after.encode()}), scores={}
    )
    (found,) = ranked(incumbent, [improved], Scrubber([]))
    return found


def test_each_change_is_a_record() -> None:
    found = candidate("a\nb\nc\nd\ne\n", "a\nB\nc\nd\ne\nf\n")
    assert [(e.line, e.before, e.after) for e in found.edits] == [
        (2, "b\n", "B\n"),
        (6, "", "f\n"),
    ]


def test_thousands_of_equal_lines_are_compared_in_no_time() -> None:
    lines = "0,\n" * 60_000
    begun_s = time.process_time()
    found = candidate(f"begin\n{lines}x\n", f"begin\ny\n{lines}")
    assert time.process_time() - begun_s < 5
    (edit,) = found.edits
    assert (edit.line, edit.before[:3], edit.after[:2]) == (2, "0,\n", "y\n")
