"""A service that is started again is the same service."""

from pathlib import Path

import pytest

from api.composition import build_service
from market import BadCatalogueError
from tests.fakes.running_service import running, settings


def test_a_second_start_makes_no_key_and_knows_the_first(tmp_path: Path) -> None:
    with running(settings(tmp_path)) as first:
        first.fund()
        secret = first.operator_key
        trust = first.http(None).get("/.well-known/aem-trust.json").json()
    with running(settings(tmp_path)) as second:
        assert second.built.first_key is None
        assert second.http(secret).get("/api/v1/me").json()["role"] == "operator"
        assert second.counts("api_keys") == {"api_keys": 1}
        assert second.http(None).get("/.well-known/aem-trust.json").json() == trust
        second.operator_key = secret
        assert second.operator.verify_audit()["verified"]


def test_no_secret_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    with running(settings(tmp_path)) as service:
        secret = service.operator_key.encode()
        key = service.operator.create_key(role="auditor")["secret"].encode()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret not in content, path
            assert key not in content, path


def test_a_start_that_is_refused_for_its_models_makes_nothing(tmp_path: Path) -> None:
    catalogue = tmp_path / "models.toml"
    catalogue.write_text("")
    with pytest.raises(BadCatalogueError):
        build_service(settings(tmp_path / "service", models=catalogue))
    assert not (tmp_path / "service").exists()
