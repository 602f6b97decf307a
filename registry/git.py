"""Git repositories of versions: a projection of the database that any node can rebuild.

One bare repository a namespace, one branch an artifact, one commit and one tag a version. Every
byte of a commit follows from the database, so a rebuilt repository has the same commit names.
Nothing is ever checked out: ``git fast-import`` writes objects, then one reference transaction
shows them. A crash in between leaves objects that nothing names, and projecting again completes.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from git.cmd import Git
from git.exc import GitError

from core.database import Database
from registry.domain import ArtifactName, require_name
from registry.errors import GitProjectionError
from registry.objects import FILE_MODE, Commit
from registry.store import versions as store
from registry.versions import make_commit

IMPORT_LIMIT_VERSIONS = 50
"""Versions in one import: bounds the temporary file and what a crash makes us repeat."""

_SCRATCH = "refs/aem/import"
"""Where an import builds its commits; gone when it is done."""


@dataclass(frozen=True, kw_only=True)
class _Missing:
    """A version whose tag the repository lacks."""

    artifact: str
    number: int
    commit: str


class GitProjection:
    """The repositories below one folder."""

    def __init__(self, folder: Path, database: Database) -> None:
        """Remember where repositories are and what they show; no I/O."""
        self._folder = folder.absolute()  # git runs in other working directories
        self._database = database

    def repository(self, namespace: str) -> Path:
        """Return where the namespace's bare repository is, once it was projected.

        Raises:
            NameRefusedError: no namespace can have this name.
        """
        return self._folder / f"{require_name(namespace)}.git"

    def project(self, namespace: str) -> Path:
        """Bring the namespace's repository up to the database and return where it is.

        Idempotent, and safe beside other processes. Call it after the transaction that published.

        Raises:
            NameRefusedError: no namespace can have this name.
            GitProjectionError: Git or the disk failed; call it again when that is repaired.
        """
        path = self.repository(namespace)
        try:
            with _locked(path.with_suffix(".lock")):
                self._bring_up(namespace, path)
        except (GitError, OSError) as error:
            raise GitProjectionError(
                f"the Git repository {path} could not be written: {error}"
            ) from error
        return path

    def _bring_up(self, namespace: str, path: Path) -> None:
        if not path.exists():
            _make_repository(path)
        for leftover in [*path.glob("*.lock"), *(path / "refs").rglob("*.lock")]:
            leftover.unlink()  # of a killed git: we alone write here, and hold our own lock
        git = _open_repository(path)
        commits = self._read_commits(namespace)
        wanted = _wanted_references(commits)
        present = _read_references(git)
        missing = [
            _Missing(artifact=artifact, number=number, commit=commit)
            for artifact, numbered in commits.items()
            for number, commit in numbered.items()
            if present.get(_tag(artifact, number)) != commit
        ]
        for start in range(0, len(missing), IMPORT_LIMIT_VERSIONS):
            self._import(git, missing[start : start + IMPORT_LIMIT_VERSIONS])
        if missing or wanted != present:
            _update_references(git, wanted=wanted, present=_read_references(git))
        if commits:
            git.execute(["git", "symbolic-ref", "HEAD", _branch(next(iter(commits)))])

    def _read_commits(self, namespace: str) -> Mapping[str, Mapping[int, str]]:
        with self._database.reading() as session:
            names = store.list_artifacts(session, namespace)
            return {name: store.list_commits(session, name) for name in names}

    def _import(self, git: Git, batch: Sequence[_Missing]) -> None:
        marks: dict[str, int] = {}
        with tempfile.TemporaryFile() as stream:
            stream.write(b"feature done\n")
            for mark, missing in enumerate(batch, start=1):
                commit, files = self._read_version(missing)
                _write_commit(stream, commit, files, mark=mark, marks=marks)
                marks[missing.commit] = mark
            stream.write(b"done\n")
            stream.seek(0)
            git.execute(["git", "fast-import", "--quiet", "--force"], istream=stream)

    def _read_version(self, missing: _Missing) -> tuple[Commit, Mapping[str, bytes]]:
        with self._database.reading() as session:
            version = store.find_version_by_number(session, missing.artifact, missing.number)
            if version is None:
                raise GitProjectionError(f"{missing.artifact} v{missing.number} has vanished")
            return make_commit(session, version), store.load_files(session, version.digest)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other threads and processes out; a killed holder's lock is free at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_repository(path: Path) -> None:
    """Make an empty bare repository, whole or not at all."""
    unfinished = path.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    arguments = ["--quiet", "--bare", "--template=", "--object-format=sha1"]
    _open_repository(unfinished).execute(["git", "init", *arguments, str(unfinished)])
    unfinished.rename(path)


def _open_repository(path: Path) -> Git:
    """Return Git on the repository: no configuration of the machine or the user counts.

    Git does not ask who owns a repository that it is told by ``GIT_DIR``.
    """
    settings = {"core.fsync": "all", "gc.auto": "0"}
    environment = {
        "GIT_DIR": str(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    git = Git(str(path))
    git.update_environment(**environment)
    return git


def _branch(artifact: str) -> str:
    return f"refs/heads/{ArtifactName.parse(artifact).name}"


def _tag(artifact: str, number: int) -> str:
    return f"refs/tags/{ArtifactName.parse(artifact).name}/v{number}"


def _wanted_references(commits: Mapping[str, Mapping[int, str]]) -> Mapping[str, str]:
    """Return a tag for every version and a branch that ends at each artifact's newest."""
    wanted = {}
    for artifact, numbered in commits.items():
        for number, commit in numbered.items():
            wanted[_tag(artifact, number)] = commit
            wanted[_branch(artifact)] = commit  # numbers ascend: the last one stays
    return wanted


def _read_references(git: Git) -> Mapping[str, str]:
    listing = git.execute(["git", "for-each-ref", "--format=%(refname) %(objectname)"])
    references = {}
    for line in str(listing).splitlines():
        name, _, commit = line.partition(" ")
        references[name] = commit
    return references


def _update_references(git: Git, *, wanted: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Make the references exactly those wanted, in one transaction.

    Git refuses a reference to a commit that it does not have: names that were computed when the
    versions were published are thereby checked against Git's own.
    """
    lines = ["start"]
    lines += [f"update {name} {commit}" for name, commit in wanted.items()]
    lines += [f"delete {name}" for name in present if name not in wanted]
    lines += ["prepare", "commit"]
    with tempfile.TemporaryFile() as stream:
        stream.write("".join(f"{line}\n" for line in lines).encode())
        stream.seek(0)
        git.execute(["git", "update-ref", "--stdin"], istream=stream)


def _write_commit(
    stream: BinaryIO,
    commit: Commit,
    files: Mapping[str, bytes],
    *,
    mark: int,
    marks: Mapping[str, int],
) -> None:
    """Write one commit in fast-import's language (git-fast-import).

    Parents of the same stream are named by mark, since Git cannot look their names up yet.
    """
    lines = [
        f"reset {_SCRATCH}",
        f"commit {_SCRATCH}",
        f"mark :{mark}",
        f"author {commit.signature}",
        f"committer {commit.signature}",
    ]
    stream.write("".join(f"{line}\n" for line in lines).encode())
    _write_data(stream, commit.message.encode())
    for index, parent in enumerate(commit.parents):
        name = f":{marks[parent]}" if parent in marks else parent
        stream.write(f"{'merge' if index else 'from'} {name}\n".encode())
    stream.write(b"deleteall\n")
    for path, content in files.items():
        quoted = path.replace('"', '\\"')
        stream.write(f'M {FILE_MODE} inline "{quoted}"\n'.encode())
        _write_data(stream, content)


def _write_data(stream: BinaryIO, content: bytes) -> None:
    stream.write(b"data %d\n" % len(content))
    stream.write(content)
    stream.write(b"\n")
