"""Patches: a proposal applied to an artifact, or refused with a reason that a model can use."""

import sys
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from aem.artifact import (
    MANIFEST_PATH,
    ArtifactError,
    Bundle,
    PathTooLongError,
    UnsafePathError,
    read_prompt,
)
from devops_agent.synthesis.language.errors import (
    BundleUnsoundError,
    EditAmbiguousError,
    EditForbiddenError,
    EditNoChangeError,
    EditNotFoundError,
    EditOutsideError,
    ManifestChangedError,
    PromptBrokenError,
    SecretMovedError,
    SourceBrokenError,
)
from devops_agent.synthesis.language.reply import Proposal, Replacement, Rewriting
from devops_agent.synthesis.language.scrubbing import MAX_TEXT_CHARACTERS, Scrubber

NEW_SUFFIXES = frozenset({".py", ".json", ".jsonl", ".txt", ".md", ".toml", ".yaml", ".csv"})
"""Files that a proposal may add: text that nothing but the artifact reads."""

STARTUP_FILES = frozenset({"sitecustomize.py", "usercustomize.py", "conftest.py", "__main__.py"})
"""Python or its tools run these by themselves, outside the artifact's entry point."""

LOCK_PATH = "requirements.lock"


class Patcher:
    """Applies proposals. Edits are made in the scrubbed text, which is what the model has read."""

    def __init__(self, incumbent: Bundle, scrubber: Scrubber) -> None:
        """Keep the incumbent: what its users rely on stays as it is."""
        self._incumbent = incumbent
        self._scrubber = scrubber
        manifest = incumbent.manifest
        self._contract = {
            path
            for path in (manifest.input_schema, manifest.output_schema, manifest.self_test)
            if path is not None
        } | {LOCK_PATH}

    def apply(self, base: Bundle, proposal: Proposal, *, shown_whole: Collection[str]) -> Bundle:
        """Return the base with a proposal's edits, made one after another.

        Args:
            base: the variant that the model was shown.
            proposal: what it wants to be changed.
            shown_whole: the files that it has seen without cuts; only these may be rewritten.

        Raises:
            ProposalRefusedError: one of its kinds; nothing is half done.
        """
        texts: dict[str, str] = {}
        for edit in proposal.edits:
            self._require_allowed(base, edit.path)
            if edit.path in texts:
                before: str | None = texts[edit.path]
            else:
                before = self._shown(base, edit.path)
            texts[edit.path] = _edited(edit, before, is_whole=edit.path in shown_whole)
        changes = {path: self._restored(base, path, text) for path, text in texts.items()}
        if all(base.files.get(path) == data for path, data in changes.items()):
            raise EditNoChangeError("after these edits every file is as it was")
        bundle = _bundle(base, changes)
        self._require_contract(bundle)
        for path, data in changes.items():
            if path.endswith(".py"):
                _require_source(path, data)
        if bundle.manifest.prompt is not None:
            _require_prompt(bundle)
        return bundle

    def _require_allowed(self, base: Bundle, path: str) -> None:
        _require_inside(path)
        parts = PurePosixPath(path.casefold()).parts
        name = parts[-1]
        if (
            any(part.startswith(".") for part in parts)
            or name in STARTUP_FILES
            or "__pycache__" in parts
        ):
            raise EditForbiddenError(f"{path!r:.300} is no file that a proposal may touch")
        if path in self._contract:
            raise ManifestChangedError(
                f"{path!r:.300} is part of what users rely on and must stay as it is"
            )
        if path in base.files:
            return
        suffix = PurePosixPath(name).suffix
        if suffix not in NEW_SUFFIXES:
            raise EditForbiddenError(
                f"a new file {path!r:.300} must end with one of {', '.join(sorted(NEW_SUFFIXES))}"
            )
        module = parts[0].partition(".")[0]
        if suffix == ".py" and module in sys.stdlib_module_names:
            raise EditForbiddenError(f"{path!r:.300} would hide Python's own module {module!r}")

    def _shown(self, base: Bundle, path: str) -> str | None:
        """Return a file's text as the model sees it; None for a file that is not there."""
        data = base.files.get(path)
        if data is None:
            return None
        if len(data) > MAX_TEXT_CHARACTERS:
            raise EditForbiddenError(f"{path!r:.300} is too long to be shown or edited")
        try:
            return self._scrubber.scrub(data.decode())
        except UnicodeDecodeError as error:
            raise EditForbiddenError(f"{path!r:.300} is no text file") from error

    def _restored(self, base: Bundle, path: str, text: str) -> bytes:
        """Put secrets back where they were; one may go, none may come, multiply or be bared."""
        had = self._scrubber.placeholders(self._shown(base, path) or "")
        has = self._scrubber.placeholders(text)
        moved = sorted(name for name in has if has[name] > had[name])
        if moved:
            raise SecretMovedError(
                f"{path!r:.300} would hold the placeholder {moved[0]} more often than before:"
                " leave placeholders where they are"
            )
        restored = self._scrubber.restore(text)
        stays = self._scrubber.placeholders(self._scrubber.scrub(restored))
        bared = sorted(name for name in has if stays[name] < has[name])
        if bared:  # it would be shown in the next round
            raise SecretMovedError(
                f"{path!r:.300} would hold what {bared[0]} stands for where nothing says any more"
                " that it is a secret: leave what is around placeholders as it is"
            )
        return restored.encode()

    def _require_contract(self, bundle: Bundle) -> None:
        try:
            manifest = bundle.manifest
        except ArtifactError as error:
            raise ManifestChangedError(f"{MANIFEST_PATH} cannot be read: {error}") from error
        before = self._incumbent.manifest
        if replace(manifest, entry=before.entry) != before:
            raise ManifestChangedError(
                f"in {MANIFEST_PATH} nothing but the entry point may change"
            )


def _edited(edit: Replacement | Rewriting, before: str | None, *, is_whole: bool) -> str:
    if isinstance(edit, Rewriting):
        if before is not None and not is_whole:
            raise EditForbiddenError(
                f"{edit.path!r:.300} was shown in part: use search-and-replace edits for it"
            )
        after = _like_before(before, edit.content)
    else:
        after = _replaced(edit, before)
    if len(after) > MAX_TEXT_CHARACTERS:
        raise BundleUnsoundError(
            f"{edit.path!r:.300} would have more than {MAX_TEXT_CHARACTERS} characters"
        )
    return after


def _replaced(edit: Replacement, before: str | None) -> str:
    if before is None:
        raise EditNotFoundError(f"there is no file {edit.path!r:.300} to search in")
    search, new = _like_before(before, edit.search), _like_before(before, edit.replace)
    count = before.count(search)
    if count == 0:
        raise EditNotFoundError(
            f"{edit.path!r:.300} does not contain the text to search for, which must be exact to"
            f" the space: {edit.search[:400]!r}"
        )
    if count > 1 or before.find(search) != before.rfind(search):
        raise EditAmbiguousError(
            f"{edit.path!r:.300} contains the text to search for more than once; add lines around"
            f" it: {edit.search[:400]!r}"
        )
    return before.replace(search, new)


def _like_before(before: str | None, text: str) -> str:
    """Return a text with the line ends of the file that it goes into."""
    if before is None or "\r\n" not in before:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _require_inside(path: str) -> None:
    try:
        Bundle({path: b""})
    except (UnsafePathError, PathTooLongError) as error:
        raise EditOutsideError(str(error)) from error


def _bundle(base: Bundle, changes: Mapping[str, bytes]) -> Bundle:
    try:
        return base.replace(changes)
    except ArtifactError as error:
        raise BundleUnsoundError(str(error)) from error


def _require_prompt(bundle: Bundle) -> None:
    try:
        read_prompt(bundle)
    except ArtifactError as error:
        raise PromptBrokenError(f"{error.reason}: {error}") from error


def _require_source(path: str, data: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python merely warns of is the judge's affair
            compile(data, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceBrokenError(f"{path}, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise SourceBrokenError(f"{path} cannot be compiled: {error}") from error
