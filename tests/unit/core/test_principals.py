import pytest

from core.errors import NotAllowedError
from core.principals import Principal, Role

WRITERS = {Role.OPERATOR, Role.TEAM, Role.AGENT}


def principal(role: Role, namespace: str = "acme") -> Principal:
    return Principal(id="key", role=role, namespace=namespace, owner=namespace)


@pytest.mark.parametrize("role", Role)
def test_who_may_write_and_read_a_namespace(role: Role) -> None:
    assert principal(role).may_write("acme") == (role in WRITERS)
    assert principal(role).may_read("acme") == (role in {*WRITERS, Role.AUDITOR})


@pytest.mark.parametrize("role", Role)
def test_another_namespace_is_closed_to_all_but_the_house(role: Role) -> None:
    other = principal(role, "other")
    assert other.may_write("acme") == (role is Role.OPERATOR)
    assert other.may_read("acme") == (role in {Role.OPERATOR, Role.AUDITOR})


def test_only_named_roles_pass() -> None:
    principal(Role.TEAM).require(Role.OPERATOR, Role.TEAM)
    with pytest.raises(NotAllowedError, match="operator or team, not agent"):
        principal(Role.AGENT).require(Role.OPERATOR, Role.TEAM)
