import pytest

from registry import PathRefusedError
from registry.objects import check_paths


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/hooks/pre-commit",
        "src/.GIT/config",
        "src/.git./config",
        "src/.git . /config",
        "src/.git::$INDEX_ALLOCATION/config",
        "git~1/config",
        "GIT~1",
        ".g\u200cit/config",
        "\ufeff.git",
        ".gitmodules",
        "a/.GitModules",
        "gitmod~1",
        "GI7EBA~1",
        ".gitattributes",
        "gi7d29~1",
    ],
)
def test_names_that_mean_something_to_git_are_refused(path: str) -> None:
    with pytest.raises(PathRefusedError) as caught:
        check_paths(["artifact.toml", path])
    assert caught.value.details == {"path": path}


def test_names_that_only_look_similar_pass() -> None:
    check_paths([".gitignore", ".github/workflow.yml", "git", "a.git", "git~10", "src/gitmod.py"])
