"""Git's object names, computed without Git, and the file names that Git must not hold.

A version's commit is known in the transaction that publishes it; the repository that shows it is
written later, by Git itself, and must come to the same name (gitformat-pack, git-commit-tree).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.errors import PathRefusedError

COMMITTER = "AEM registry <registry@aem.invalid>"
"""The same for every commit: who published a version stands in the message."""

FILE_MODE = "100644"
_FOLDER_MODE = "40000"

_RESERVED = re.compile(
    r"\.git|\.gitmodules|\.gitattributes|git~1|gitmod~[1-4]|gitatt~[1-4]|gi7(eba|d29)~[1-9]"
)
"""Git's own folder, its submodule list and its rules for changing contents at a checkout, also as
Windows shortens these names."""

_IGNORABLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
"""Code points that HFS+ drops from file names, so that ``.g\u200cit`` is ``.git`` there."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit's content apart from its files.

    Attributes:
        parents: commit names, in order.
        at: author's and committer's time; whole seconds count.
        message: UTF-8 text.
    """

    parents: tuple[str, ...]
    at: datetime
    message: str

    @property
    def signature(self) -> str:
        """Author and committer with the time, as Git writes both."""
        return f"{COMMITTER} {int(self.at.timestamp())} +0000"


def check_paths(paths: Iterable[str]) -> None:
    """Refuse file names that mean something to Git, so that a clone is the version's bytes.

    The paths are a bundle's: they stay inside its folder.

    Raises:
        PathRefusedError: a component is ``.git``, ``.gitmodules`` or ``.gitattributes``, also in
            the spellings that Windows and macOS take for these.
    """
    for path in paths:
        if any(_is_reserved(component) for component in path.split("/")):
            raise PathRefusedError(
                f"a version cannot hold the file {path!r}: rename it, or leave it out", path=path
            )


def commit_id(commit: Commit, files: Mapping[str, bytes]) -> str:
    """Return the SHA-1 name of the commit that holds these files."""
    lines = [f"tree {_tree_id(files)}"]
    lines += [f"parent {parent}" for parent in commit.parents]
    lines += [f"author {commit.signature}", f"committer {commit.signature}", ""]
    return _object_id("commit", ("\n".join(lines) + "\n" + commit.message).encode())


def _is_reserved(component: str) -> bool:
    spelled = unicodedata.normalize("NFKC", component.translate(_IGNORABLE)).casefold()
    # NTFS reads what follows a colon as a stream's name, and drops dots and spaces at the end.
    return _RESERVED.fullmatch(spelled.split(":")[0].rstrip(". ")) is not None


def _tree_id(files: Mapping[str, bytes]) -> str:
    entries: dict[str, tuple[str, str]] = {}
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        name, _, rest = path.partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = content
        else:
            entries[name] = (FILE_MODE, _object_id("blob", content))
    for name, inner in folders.items():
        entries[name] = (_FOLDER_MODE, _tree_id(inner))
    body = b"".join(
        f"{mode} {name}\0".encode() + bytes.fromhex(identity)
        for name, (mode, identity) in sorted(entries.items(), key=_tree_order)
    )
    return _object_id("tree", body)


def _tree_order(entry: tuple[str, tuple[str, str]]) -> bytes:
    """Git sorts a folder as if its name ended in a slash."""
    name, (mode, _) = entry
    return (name + "/" if mode == _FOLDER_MODE else name).encode()


def _object_id(kind: str, body: bytes) -> str:
    header = f"{kind} {len(body)}\0".encode()
    return hashlib.sha1(header + body, usedforsecurity=False).hexdigest()
