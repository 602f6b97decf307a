"""What the demo does, step by step, through the SDK, as a team and its agent would."""

import time
from pathlib import Path
from typing import Any

import click

from aem.artifact import Bundle
from aem.client import ApiError, Client
from aem.handle import Artifact
from aem.proof import TrustRoot
from cli.local.embedded import EmbeddedService
from cli.local.example import Example
from cli.local.recount import Recount
from cli.local.steady_calls import SteadyCalls
from cli.output import tokens, usd

NUSD_PER_USD = 10**9
UTOK_PER_TOKEN = 10**6

TEAM = "acme"
AGENT = "bot"
DAILY_NUSD = 5 * NUSD_PER_USD
KAPPA_UTOK = 1_000 * UTOK_PER_TOKEN
GRANT_UTOK = 600 * UTOK_PER_TOKEN
MAX_PRICE_UTOK = 150 * UTOK_PER_TOKEN

THREADS = 2
PAUSE_S = 0.05
CALLS_EACH_SIDE = 100
SWAP_TIMEOUT_S = 60.0


class Narrator:
    """Tells what happens, unless it is quiet."""

    def __init__(self, *, is_quiet: bool) -> None:
        """Begin with step 1."""
        self._is_quiet = is_quiet
        self._step = 0

    def title(self, text: str) -> None:
        """Begin a new step."""
        self._step += 1
        self._echo(click.style(f"\n{self._step}. {text}", bold=True))

    def say(self, text: str) -> None:
        """Explain, as a paragraph."""
        self._echo(click.wrap_text(text, width=96, initial_indent="   ", subsequent_indent="   "))

    def line(self, text: str) -> None:
        """Show a line as it is."""
        self._echo(f"   {text}")

    def verdict(self, result: dict[str, Any], *, elapsed_s: float) -> None:
        """Sum up."""
        self.title("Summary")
        version, rejection = result["version"], result["rejection"]
        for text in (
            f"accepted            {result['accepted']}, in {result['sandbox']}",
            f"new version         v{version['number']} {version['digest'][:19]}...",
            f"listed at           {tokens(result['price_utok'])} tokens a licence",
            *(
                f"{name:<19} {phase['calls']} calls, {phase['failed']} failed,"
                f" {phase['mixed']} mixed"
                for name, phase in (("swap", result["swap"]), ("rollback", result["rollback"]))
            ),
            f"bad candidate       rejected: {rejection['reason']}",
            f"its escrow          {tokens(rejection['refunded_utok'])} tokens came back",
            f"ledger              audit verified: {result['audit_verified']}",
            f"took                {elapsed_s:.0f} s",
        ):
            self.line(text)

    def _echo(self, text: str) -> None:
        if not self._is_quiet:
            click.echo(text)


class Demonstration:
    """Runs the main job against a service."""

    def __init__(
        self, *, service: EmbeddedService, example: Example, home: Path, narrator: Narrator
    ) -> None:
        """Keep the parts; nothing happens yet."""
        self._service = service
        self._example = example
        self._home = home
        self._tell = narrator
        self._operator = Client(service.url, service.operator_key)

    def run(self) -> dict[str, Any]:
        """Do everything; return the figures."""
        team, agent = self._open_budget()
        self._show_refusal()
        gold = self._freeze(team)
        first = self._first_version(agent, gold)
        handle = Artifact(
            self._example.artifact.manifest.name,
            client=agent,
            agent=f"{TEAM}.{AGENT}",
            home=self._home / "agent",
            trust=TrustRoot.from_envelope(agent.trust()),
            in_process_namespaces=(TEAM,),
        )
        with handle:
            calls = SteadyCalls(handle, self._example.inputs, threads=THREADS, interval_s=PAUSE_S)
            calls.start()
            try:
                order, swap = self._improve(agent, gold, calls)
                rollback = self._roll_back(team, calls, back_to=first["version"]["digest"])
            finally:
                calls.stop()
        improved = agent.bundle(order["version"]["digest"])
        rejection = self._reject(team, agent, gold, improved)
        report = agent.order_report(order["id"])
        return {
            "accepted": order["outcome"] == "accepted",
            "sandbox": order["summary"]["validation"]["isolation"]["engine"],
            "axes": {name: _axis(axis) for name, axis in report["axes"].items()},
            "price_utok": order["listing_utok"],
            "version": order["version"],
            "swap": swap,
            "rollback": rollback,
            **self._audit(),
            "rejection": rejection,
        }

    def _open_budget(self) -> tuple[Client, Client]:
        self._tell.title("A budget, a team, an agent")
        self._tell.say(
            f"The operator allows {usd(DAILY_NUSD)} USD a day. At {tokens(KAPPA_UTOK)} tokens for"
            " a dollar that issues the day's tokens, and no more: whatever agents buy, the day's"
            " bill cannot pass the budget."
        )
        self._operator.set_budget(TEAM, daily_limit_nusd=DAILY_NUSD, utok_per_usd=KAPPA_UTOK)
        self._operator.allocate(
            TEAM, to=f"wallet:{TEAM}.{AGENT}", amount_utok=GRANT_UTOK, reason="first allowance"
        )
        self._tell.line(f"{tokens(GRANT_UTOK)} tokens go to the wallet of {TEAM}.{AGENT}")
        return self._client("team"), self._client("agent", AGENT)

    def _client(self, role: str, agent: str = "") -> Client:
        key = self._operator.create_key(role=role, namespace=TEAM, agent=agent)
        return Client(self._service.url, key["secret"])

    def _show_refusal(self) -> None:
        self._tell.title("An agent that cannot pay is refused")
        with self._client("agent", "poor") as poor:
            try:
                poor.submit(
                    self._example.artifact, gold="none", traces=b"", max_price_utok=MAX_PRICE_UTOK
                )
            except ApiError as error:
                self._tell.line(f"HTTP {error.status} {error.reason}: {error.detail}")

    def _freeze(self, team: Client) -> str:
        self._tell.title("The Gold Dataset is frozen")
        self._tell.say(
            "From now on it cannot change, and most of it is seen by nobody but the judge: no"
            " synthesizer, no agent, no log."
        )
        frozen = team.freeze_gold(self._example.gold)
        for part, counts in frozen["counts"].items():
            self._tell.line(f"{part:<8} {sum(counts.values())} cases")
        return str(frozen["digest"])

    def _first_version(self, agent: Client, gold: str) -> dict[str, Any]:
        self._tell.title("The first version enters by the same door")
        self._tell.say(
            "It has no predecessor to beat: it must pass the hard axes and reach the dataset's"
            " floors. Then it is numbered, signed, and the production channel points to it."
        )
        order = self._order(agent, gold, candidate=self._example.artifact, is_watched=False)
        _require_accepted(order)
        self._tell.line(f"v{order['version']['number']}: {order['outcome']}")
        return order

    def _improve(
        self, agent: Client, gold: str, calls: SteadyCalls
    ) -> tuple[dict[str, Any], dict[str, int]]:
        self._tell.title("The agent serves calls, and pays for an improvement of its own code")
        self._tell.say(
            "Traces show that it misses things. The offline synthesizer localizes faults on the"
            " dev cases and searches for edits; variants run in the sandbox; one finalist is"
            " judged on the holdout against the running version. Meanwhile the agent goes on"
            " answering calls. (Dev loss is how much of the dev cases is still wrong; it falls in"
            " steps, when edits that help are put together.)"
        )
        order = self._order(agent, gold, traces=self._example.traces)
        _require_accepted(order)
        self._tell.say("What it changed:")
        for edit in order["summary"]["synthesis"]["edits"]:
            before, after = edit["before"] or "(nothing)", edit["after"] or "(nothing)"
            self._tell.line(f"{edit['path']}:{edit['line']}  {before}  ->  {after}")
        self._show_report(agent.order_report(order["id"]))
        self._tell.line(
            f"price {tokens(order['price_utok'])} tokens: {tokens(order['metered_utok'])} metered"
            f" and a fee of {tokens(order['fee_utok'])}; {tokens(order['refunded_utok'])} of the"
            " escrow came back"
        )
        digest = order["version"]["digest"]
        if not calls.wait_for(digest, calls=CALLS_EACH_SIDE, timeout_s=SWAP_TIMEOUT_S):
            self._tell.say("The agent did not take up the new version in time.")
        figures = Recount(agent, self._example.inputs).check(calls.take())
        self._tell.line(
            f"swapped under {figures['calls']} calls: {figures['failed']} failed,"
            f" {figures['mixed']} mixed"
        )
        self._show_acknowledgements(agent)
        return order, figures

    def _show_report(self, report: dict[str, Any]) -> None:
        self._tell.say("What the judge found on the holdout, running version against new one:")
        for name, axis in report["axes"].items():
            old = "" if axis["old"] is None else f"{axis['old']['value']:.4f}"
            verdict = "pass" if axis["passed"] else "FAIL"
            self._tell.line(f"{name:<19} {verdict}  {old:>6} -> {axis['new']['value']:.4f}")

    def _show_acknowledgements(self, agent: Client) -> None:
        for ack in agent.deployments(self._example.artifact.manifest.name, "production")["items"]:
            answer = "runs" if ack["accepted"] else f"refuses ({ack['reason']})"
            self._tell.line(f"{ack['agent']} {answer} generation {ack['generation']}")

    def _roll_back(self, team: Client, calls: SteadyCalls, *, back_to: str) -> dict[str, int]:
        self._tell.title("One command brings the old version back")
        team.rollback(
            self._example.artifact.manifest.name, "production", reason="to show that it works"
        )
        if not calls.wait_for(back_to, calls=CALLS_EACH_SIDE, timeout_s=SWAP_TIMEOUT_S):
            self._tell.say("The agent did not take up the old version in time.")
        figures = Recount(team, self._example.inputs).check(calls.take())
        self._tell.line(
            f"rolled back under {figures['calls']} calls: {figures['failed']} failed,"
            f" {figures['mixed']} mixed"
        )
        return figures

    def _reject(self, team: Client, agent: Client, gold: str, improved: Bundle) -> dict[str, Any]:
        self._tell.title("A candidate that gains, but believes one planted falsehood")
        self._tell.say(
            "Somebody offers the improved code with one guard removed. It finds more than the"
            " running version; and answers a chat in which a customer forges a system notice."
        )
        order = self._order(
            agent, gold, candidate=self._example.hallucinating(improved), is_watched=False
        )
        self._tell.line(
            f"{order['outcome']}: {order['reason']}; {tokens(order['refunded_utok'])} of"
            f" {tokens(order['escrowed_utok'])} tokens come back,"
            f" {tokens(order['price_utok'])} were metered"
        )
        found = team.order_report(order["id"])
        self._tell.line(f"the submitter learns no more; the gold owner reads: {found['reason']}")
        return {"reason": found["reason"], "refunded_utok": order["refunded_utok"]}

    def _order(
        self,
        agent: Client,
        gold: str,
        *,
        traces: bytes = b"",
        candidate: Bundle | None = None,
        is_watched: bool = True,
    ) -> dict[str, Any]:
        order = agent.submit(
            self._example.artifact,
            gold=gold,
            traces=traces,
            max_price_utok=MAX_PRICE_UTOK,
            synthesizer="repair" if candidate is None else "candidate",
            candidate=candidate,
        )
        started_s = time.monotonic()
        with agent.events(f"order:{order['id']}") as events:
            for event in events:
                if is_watched:
                    self._tell_event(event.kind, event.data, time.monotonic() - started_s)
                if event.kind in ("settled", "refunded"):
                    break
        return agent.order(order["id"])

    def _tell_event(self, kind: str, data: dict[str, Any], elapsed_s: float) -> None:
        detail = ""
        if kind == "progress" and not data["runs"]:
            return  # nothing is measured yet
        if kind == "progress":
            detail = f"{data['variants']} variants, dev loss {data['loss']:.2f}"
        self._tell.line(f"{elapsed_s:6.1f} s  {kind:<13} {detail}")

    def _audit(self) -> dict[str, Any]:
        self._tell.title("The books")
        wallet = self._operator.wallet(f"{TEAM}.{AGENT}")
        self._tell.line(
            f"wallet of {wallet['owner']}: {tokens(wallet['balance_utok'])} of"
            f" {tokens(GRANT_UTOK)} tokens are left"
        )
        report = self._operator.verify_audit()
        statements = report["statements"]
        for name, finding in statements.items():
            figures = ", ".join(f"{key} {value}" for key, value in finding["figures"].items())
            self._tell.line(f"{name:<9} {'holds' if finding['holds'] else 'BROKEN'}: {figures}")
        fiat = statements["fiat"]["figures"]
        return {
            "ledger": {
                "balances_rebuilt_equal": statements["balances"]["holds"],
                "identity_holds": statements["identity"]["holds"],
                "fiat_admitted_nusd": fiat["admitted_nusd"],
                "fiat_budget_nusd": fiat["budget_nusd"],
            },
            "audit_verified": report["verified"],
        }


def _require_accepted(order: dict[str, Any]) -> None:
    if order["outcome"] != "accepted":
        raise click.ClickException(
            f"the order {order['id']} was {order['outcome']}: {order['reason']}"
        )


def _axis(axis: dict[str, Any]) -> dict[str, Any]:
    return {
        "passed": axis["passed"],
        "old": None if axis["old"] is None else axis["old"]["value"],
        "new": axis["new"]["value"],
    }
