import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.difference import compare_files

LINES = st.lists(st.sampled_from(["a", "b", "c\r", "", "\x0b", "é"]), max_size=12)
TEXTS = st.builds(
    lambda lines, end: ("\n".join(lines) + end).encode(), LINES, st.sampled_from(["", "\n"])
)


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=40, deadline=None)
def test_git_applies_the_diff(old: bytes, new: bytes) -> None:
    found = compare_files({"a": old}, {"a": new})
    if old == new:
        assert found == ()
        return
    with TemporaryDirectory() as name:
        file = Path(name) / "a"
        file.write_bytes(old)
        subprocess.run(
            ["git", "apply", "--unidiff-zero", "-"],
            cwd=name,
            input=found[0].hunks.encode(),
            check=True,
            capture_output=True,
        )
        assert file.read_bytes() == new
