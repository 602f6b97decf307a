"""Who asks: principals with one role each."""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import NotAllowedError


class Role(StrEnum):
    """What a key was made for (design, section 10)."""

    OPERATOR = "operator"  # budgets, rules, keys
    TEAM = "team"  # acts for a namespace and all its agents
    AGENT = "agent"  # one wallet; submits and runs artifacts
    DEVOPS = "devops"  # claims orders, submits candidates
    EVALUATOR = "evaluator"  # reports quality
    AUDITOR = "auditor"  # reads everything, writes nothing


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller.

    Attributes:
        id: of the API key or of the internal actor, for the record.
        role: what the key was made for.
        namespace: the team that it belongs to; owns artifacts ``namespace/...``. "" for operators
            and auditors of the whole house.
        owner: whose wallet it spends: ``namespace`` for a team, ``namespace.agent`` for an agent.
    """

    id: str
    role: Role
    namespace: str = ""
    owner: str = ""

    def require(self, *roles: Role) -> None:
        """Let only these roles pass.

        Raises:
            NotAllowedError: the principal has another role.
        """
        if self.role not in roles:
            names = " or ".join(role.value for role in roles)
            raise NotAllowedError(f"this needs a key with role {names}, not {self.role.value}")

    def may_write(self, namespace: str) -> bool:
        """Whether the principal may change what belongs to the namespace."""
        if self.role is Role.OPERATOR:
            return True
        return self.role in (Role.TEAM, Role.AGENT) and self.namespace == namespace

    def may_read(self, namespace: str) -> bool:
        """Whether the principal may see what belongs to the namespace alone."""
        return self.role is Role.AUDITOR or self.may_write(namespace)
