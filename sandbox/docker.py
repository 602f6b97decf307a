"""The sandbox proper: Docker containers, each used by one session."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from docker import APIClient
from docker.errors import DockerException, ImageNotFound
from docker.utils import kwargs_from_env

from aem.isolation import IsolationError, find_interpreter
from core.clock import Clock, SystemClock
from sandbox.container import ContainerEnclosure
from sandbox.digest import profile_digest
from sandbox.domain import SandboxLimits
from sandbox.errors import SandboxFailedError, SandboxUnavailableError
from sandbox.greeting import greet
from sandbox.image import LABEL_CONTENT, REPOSITORY, image_content, write_image
from sandbox.labels import is_leftover, owner_labels
from sandbox.port import SandboxSession
from sandbox.profile import LABEL_OWNER, container_profile, container_settings
from sandbox.session import EnclosureSession

CALL_TIMEOUT_S = 30
"""For one request to the engine; creating a container takes 0.1 s, on a loaded machine 2 s."""

DEADLINE_GRACE_S = 60.0
"""How long a container may outlive its session's deadline before anyone may sweep it."""

_log = logging.getLogger(__name__)


class DockerSandbox:
    """Implements `Sandbox` and `EnclosureMaker` on a Docker engine."""

    name = "docker"

    def __init__(
        self, *, url: str | None = None, image: str | None = None, clock: Clock | None = None
    ) -> None:
        """Connect to the engine and make the image, unless it is there.

        Args:
            url: of the engine, such as ``unix:///var/run/docker.sock``; none for the usual place.
            image: a name to use in place of the image made here (see ``sandbox/Dockerfile``).
            clock: dates the containers' deadlines.

        Raises:
            SandboxUnavailableError: no engine answers.
            SandboxFailedError: the image cannot be made, or the one named is not there.
        """
        self._clock = clock or SystemClock()
        try:
            self._api = _connect(url)
        except (DockerException, requests.RequestException) as error:
            raise SandboxUnavailableError(
                f"no Docker engine answers at {url or 'the usual socket'}: install docker.io and"
                " start dockerd"
            ) from error
        try:
            self._prepare(image)
        except BaseException:
            self._api.close()
            raise

    def _prepare(self, image: str | None) -> None:
        """Learn what an attestation states, and have the image."""
        interpreter = find_interpreter()
        content = image_content(interpreter)
        self._python = interpreter.version
        self._image_name = image or content.tag
        with _engine_failures(f"the sandbox image {self._image_name} is not to be had"):
            self._engine_version = str(self._api.version()["Version"])
            if image is None and not self._has_image(content.tag):
                self._make_image(content)
            found = self._api.inspect_image(self._image_name)
        self._image_id = str(found["Id"])
        labels = found["Config"].get("Labels") or {}
        self._image_digest = labels.get(LABEL_CONTENT, self._image_id)

    def isolation(self) -> Mapping[str, Any]:
        """Return what an attestation records (see `Sandbox.isolation`)."""
        return {
            "engine": self.name,
            "engine_version": self._engine_version,
            "profile": profile_digest(container_profile()),
            "image": self._image_digest,
            "python": self._python,
            "degraded": False,
            "notice": None,
        }

    def open(self, *, limits: SandboxLimits, label: str) -> SandboxSession:
        """Open a session (see `Sandbox.open`)."""
        return EnclosureSession(self, limits=limits, label=label)

    def start(self, *, limits: SandboxLimits, label: str) -> ContainerEnclosure:
        """Start an enclosure (see `EnclosureMaker.start`)."""
        lifetime_s = limits.session_s + DEADLINE_GRACE_S
        labels = owner_labels(label, now=self._clock.now(), lifetime_s=lifetime_s)
        settings = container_settings(image=self._image_id, limits=limits, labels=labels)
        with _engine_failures("a container could not be started"):
            self._require_image()
            container_id = str(self._api.create_container_from_config(settings)["Id"])
            try:
                enclosure = ContainerEnclosure(self._api, container_id)
            except BaseException:
                self._remove(container_id)
                raise
        try:
            greet(enclosure)
        except IsolationError as error:
            enclosure.close()
            raise SandboxFailedError(f"the runner does not start: {error}") from error
        return enclosure

    def sweep(self) -> list[str]:
        """Remove containers whose deadline has passed or whose owner is gone; return their ids.

        Safe beside living services: only what `sandbox.labels` finds to be left over is touched.

        Raises:
            SandboxFailedError: the engine does not answer.
        """
        now = self._clock.now()
        with _engine_failures("leftover containers could not be listed"):
            found = self._api.containers(all=True, filters={"label": LABEL_OWNER})
        left_over = [str(each["Id"]) for each in found if is_leftover(each["Labels"], now=now)]
        for container_id in left_over:
            _log.warning("removing the leftover sandbox container %s", container_id)
            self._remove(container_id)
        return left_over

    def close(self) -> None:
        """Close the connections to the engine."""
        self._api.close()

    def _has_image(self, name: str) -> bool:
        try:
            self._api.inspect_image(name)
        except ImageNotFound:
            return False
        return True

    def _require_image(self) -> None:
        """Look before every start: asked for a missing image, an engine would ask a registry."""
        if not self._has_image(self._image_id):
            raise SandboxFailedError(
                f"the sandbox image {self._image_name} was removed: restart the service, which"
                " makes it again"
            )

    def _make_image(self, content: Any) -> None:
        _log.info("making the sandbox image %s", content.tag)
        with tempfile.TemporaryFile() as file:
            write_image(content, file)
            file.seek(0)
            self._api.import_image(
                src=file,
                repository=REPOSITORY,
                tag=content.tag.partition(":")[2],
                changes=[f"LABEL {LABEL_CONTENT}={content.digest}"],
            )

    def _remove(self, container_id: str) -> None:
        with contextlib.suppress(DockerException, requests.RequestException):
            self._api.remove_container(container_id, force=True, v=True)


def _connect(url: str | None) -> Any:
    """Connect to the engine at a URL, or where Docker's own environment variables say."""
    place: Any = kwargs_from_env() if url is None else {"base_url": url}
    return APIClient(version="auto", timeout=CALL_TIMEOUT_S, **place)


@contextlib.contextmanager
def _engine_failures(what: str) -> Iterator[None]:
    """Turn the engine's and the connection's errors into the room's one."""
    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        raise SandboxFailedError(f"{what}: {error}") from error
