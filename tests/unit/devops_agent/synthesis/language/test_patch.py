"""Edits, and what they must not reach."""

import pytest

from aem.artifact import Bundle, ChatReply
from devops_agent.synthesis.language.errors import ProposalRefusedError
from devops_agent.synthesis.language.patch import Patcher
from devops_agent.synthesis.language.reply import read_reply
from devops_agent.synthesis.language.scrubbing import Scrubber
from tests.fakes.bundles import echo_bundle
from tests.fakes.chat_models import proposal, replacing, rewriting
from tests.fakes.prompts import prompt_bundle

SECRET = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b"
CLIENT = f"KEY = '{SECRET}'\n\n\ndef call():\n    return KEY\n"
BUNDLE = echo_bundle().replace(
    {
        "client.py": CLIENT.encode(),
        "windows.py": b"A = 1\r\nB = 2\r\n",
        "data.bin": b"\xff\x00",
        "requirements.lock": b"",
    }
)
ECHO = BUNDLE.files["echo.py"].decode()


def apply(text: str, bundle: Bundle = BUNDLE, shown_whole: set[str] | None = None) -> Bundle:
    texts = [data.decode(errors="replace") for data in bundle.files.values()]
    whole = set(bundle.files) if shown_whole is None else shown_whole
    patcher = Patcher(BUNDLE, Scrubber(texts))
    return patcher.apply(bundle, read_reply(ChatReply(text=text)), shown_whole=whole)


def changed(text: str, path: str) -> str:
    bundle = apply(text)
    others = {other for other in bundle.files if bundle.files[other] != BUNDLE.files.get(other)}
    assert others == {path}
    return bundle.files[path].decode()


def refusal(text: str, **options: set[str]) -> str:
    with pytest.raises(ProposalRefusedError) as caught:
        apply(text, **options)
    return caught.value.reason


def test_a_text_is_replaced() -> None:
    found = changed(replacing("phrase.py", "'one'", "'two'"), "phrase.py")
    assert found == "WORD = 'two'\n"


def test_a_file_is_rewritten_or_made() -> None:
    assert changed(rewriting("phrase.py", "WORD = 'x'\n"), "phrase.py") == "WORD = 'x'\n"
    assert changed(rewriting("words/more.py", "A = 1\n"), "words/more.py") == "A = 1\n"


def test_edits_are_made_one_after_another() -> None:
    text = proposal(
        {"path": "phrase.py", "search": "'one'", "replace": "'two'"},
        {"path": "phrase.py", "search": "'two'", "replace": "'three'"},
        {"path": "new.py", "content": "A = 1\n"},
        {"path": "new.py", "search": "1", "replace": "2"},
    )
    bundle = apply(text)
    assert bundle.files["phrase.py"] == b"WORD = 'three'\n"
    assert bundle.files["new.py"] == b"A = 2\n"


def test_line_ends_stay_as_they_are() -> None:
    text = replacing("windows.py", "A = 1\nB = 2\n", "A = 1\nB = 3\nC = 4\n")
    assert changed(text, "windows.py") == "A = 1\r\nB = 3\r\nC = 4\r\n"
    assert changed(rewriting("windows.py", "A = 5\n"), "windows.py") == "A = 5\r\n"


def test_the_entry_point_may_move() -> None:
    text = proposal(
        {"path": "main.py", "content": ECHO},
        {"path": "artifact.toml", "search": '"echo:run"', "replace": '"main:run"'},
    )
    assert apply(text).manifest.entry.module == "main"


@pytest.mark.parametrize(
    ("path", "search", "reason"),
    [
        ("phrase.py", "WORD  = 'one'", "edit_not_found"),
        ("phrase.py", "nothing of it", "edit_not_found"),
        ("missing.py", "WORD", "edit_not_found"),
        ("echo.py", "WORD", "edit_ambiguous"),
        ("windows.py", "\n", "edit_ambiguous"),
        ("../phrase.py", "WORD", "edit_outside"),
        ("/etc/passwd", "root", "edit_outside"),
        ("data.bin", "x", "edit_forbidden"),
        ("artifact.toml", "acme/echo", "manifest_changed"),
        ("artifact.toml", '"python"', "manifest_changed"),
        ("artifact.toml", "wall_s = 5.0", "manifest_changed"),
        ("artifact.toml", "268435456", "manifest_changed"),
        ("artifact.toml", "requires = []", "manifest_changed"),
        ("artifact.toml", "output_schema = ", "manifest_changed"),
        ("artifact.toml", "[self_test]", "manifest_changed"),
        ("schema/output.json", "object", "manifest_changed"),
        ("schema/input.json", "object", "manifest_changed"),
        ("self_test.jsonl", "one", "manifest_changed"),
        ("requirements.lock", "x", "manifest_changed"),
    ],
)
def test_what_cannot_be_edited_is_refused_by_name(path: str, search: str, reason: str) -> None:
    assert refusal(replacing(path, search, "200000000")) == reason


def test_overlapping_places_are_more_than_one() -> None:
    bundle = BUNDLE.replace({"notes.txt": b"aaa"})
    with pytest.raises(ProposalRefusedError) as caught:
        apply(replacing("notes.txt", "aa", "b"), bundle)
    assert caught.value.reason == "edit_ambiguous"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("sitecustomize.py", "edit_forbidden"),
        ("lib/SiteCustomize.py", "edit_forbidden"),
        ("usercustomize.py", "edit_forbidden"),
        ("conftest.py", "edit_forbidden"),
        ("evil.pth", "edit_forbidden"),
        ("echo.so", "edit_forbidden"),
        ("echo.pyc", "edit_forbidden"),
        ("__pycache__/echo.py", "edit_forbidden"),
        (".env", "edit_forbidden"),
        (".git/config", "edit_forbidden"),
        ("json.py", "edit_forbidden"),
        ("re/__init__.py", "edit_forbidden"),
        ("run.sh", "edit_forbidden"),
        ("../evil.py", "edit_outside"),
        ("/opt/evil.py", "edit_outside"),
        ("a/../../evil.py", "edit_outside"),
        ("a\\..\\evil.py", "edit_outside"),
        ("", "edit_outside"),
        ("x" * 300 + ".py", "edit_outside"),
        ("a/" * 20 + "x.py", "edit_outside"),
        ("ECHO.py", "bundle_unsound"),
        ("echo.py/x.py", "bundle_unsound"),
    ],
)
def test_files_that_may_not_be_planted(path: str, reason: str) -> None:
    assert refusal(rewriting(path, "A = 1\n")) == reason


@pytest.mark.parametrize(
    "source", ["def run(:\n", "break\n", "x = '\x00'\n", "(" * 5_000, "\tif x:\n  y\n"]
)
def test_sources_must_compile(source: str) -> None:
    assert refusal(rewriting("echo.py", source)) == "source_broken"


def test_warnings_of_the_compiler_do_not_matter() -> None:
    assert apply(rewriting("phrase.py", "WORD = '\\d' if 1 is 1 else ''\n"))


def test_a_file_seen_in_part_is_not_written_over() -> None:
    assert refusal(rewriting("echo.py", "A = 1\n"), shown_whole={"x"}) == "edit_forbidden"
    assert apply(replacing("phrase.py", "'one'", "'two'"), shown_whole=set())


def test_no_change_is_no_proposal() -> None:
    assert refusal(replacing("phrase.py", "'one'", "'one'")) == "edit_no_change"
    assert refusal(rewriting("echo.py", ECHO)) == "edit_no_change"


def test_a_file_has_a_largest_size() -> None:
    assert refusal(rewriting("echo.py", "#" * 200_001)) == "bundle_unsound"


class TestSecrets:
    def test_a_file_is_edited_around_its_secret(self) -> None:
        text = replacing("client.py", "__AEM_SECRET_1__'\n", "__AEM_SECRET_1__'\nB = 2\n")
        assert changed(text, "client.py") == CLIENT.replace("'\n", "'\nB = 2\n", 1)
        whole = rewriting("client.py", "KEY = '__AEM_SECRET_1__'\n")
        assert changed(whole, "client.py") == f"KEY = '{SECRET}'\n"

    def test_a_secret_may_be_taken_out(self) -> None:
        assert changed(rewriting("client.py", "KEY = ''\n"), "client.py") == "KEY = ''\n"

    def test_a_secret_that_the_model_guessed_is_not_confirmed(self) -> None:
        assert refusal(replacing("client.py", SECRET, "x")) == "edit_not_found"

    def test_a_short_secret_is_not_put_where_it_would_be_shown(self) -> None:
        bundle = BUNDLE.replace({"client.py": b"PASSWORD = 'hunter22'\n"})
        kept = apply(rewriting("client.py", "A = 1\nPASSWORD = '__AEM_SECRET_1__'\n"), bundle)
        assert kept.files["client.py"] == b"A = 1\nPASSWORD = 'hunter22'\n"
        with pytest.raises(ProposalRefusedError) as caught:
            apply(rewriting("client.py", "WORD = '__AEM_SECRET_1__'\n"), bundle)
        assert caught.value.reason == "secret_moved"
        assert "hunter22" not in str(caught.value)

    @pytest.mark.parametrize(
        ("path", "content"),
        [
            ("echo.py", ECHO + "KEY = '__AEM_SECRET_1__'\n"),
            ("new.py", "KEY = '__AEM_SECRET_1__'\n"),
            ("client.py", CLIENT.replace(SECRET, "__AEM_SECRET_1__") + "B = '__AEM_SECRET_1__'\n"),
            ("client.py", "KEY = '__AEM_SECRET_2__'\n"),
        ],
        ids=["another file", "a new file", "twice", "invented"],
    )
    def test_a_secret_goes_nowhere_else(self, path: str, content: str) -> None:
        assert refusal(rewriting(path, content)) == "secret_moved"


class TestPrompts:
    BUNDLE = prompt_bundle()

    def apply(self, text: str) -> Bundle:
        patcher = Patcher(self.BUNDLE, Scrubber([]))
        proposal = read_reply(ChatReply(text=text))
        return patcher.apply(self.BUNDLE, proposal, shown_whole=set(self.BUNDLE.files))

    def test_messages_are_edited(self) -> None:
        found = self.apply(replacing("messages.json", "Find the word", "Find the one word"))
        assert b"Find the one word" in found.files["messages.json"]

    @pytest.mark.parametrize(
        ("path", "search", "replace", "reason"),
        [
            ("messages.json", "Text: {{text}}", "Text: {{nothing}}", "prompt_broken"),
            ("messages.json", "Text: {{text}}", "Text: {{text", "prompt_broken"),
            ("messages.json", '"user"', '"nobody"', "prompt_broken"),
            ("messages.json", "[", "", "prompt_broken"),
            ("artifact.toml", "max_tokens = 64", "max_tokens = 6400", "manifest_changed"),
            ("artifact.toml", '"small"', '"large"', "manifest_changed"),
            ("schema/output.json", '"word"]', '"words"]', "manifest_changed"),
        ],
    )
    def test_a_prompt_stays_one(self, path: str, search: str, replace: str, reason: str) -> None:
        with pytest.raises(ProposalRefusedError) as caught:
            self.apply(replacing(path, search, replace))
        assert caught.value.reason == reason
