"""What keeps an order from being taken: in its documented order, and without a trace."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from aem.artifact import MAX_BUNDLE_BYTES, Bundle
from tests.fakes.clock import FakeClock
from tests.fakes.databases import KINDS, database_of_module
from tests.fakes.running_service import ARTIFACT, GOOD, RunningService, running, settings

THRESHOLD_TOKENS = 10
FUNDED_UTOK = 15_000_000
POOR_UTOK = 9_999_999
ENOUGH_UTOK = 20_000_000
ZERO_DIGEST = "sha256:" + "0" * 64

Form = dict[str, Any]


@pytest.fixture(scope="module", params=KINDS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with database_of_module(request) as url:
        chosen = settings(folder, url, threshold_tokens=THRESHOLD_TOKENS)
        with running(chosen, clock=FakeClock()) as service:
            service.fund(grant_utok=FUNDED_UTOK, agent="short")
            for agent, amount_utok in (("poor", POOR_UTOK), ("rich", 100_000_000)):
                service.operator.allocate(
                    "acme", to=f"wallet:acme.{agent}", amount_utok=amount_utok, reason="test"
                )
            yield service


@pytest.fixture(scope="module")
def form(service: RunningService) -> Form:
    """An order that would be taken."""
    return {
        "order": {
            "artifact": ARTIFACT,
            "gold": service.freeze(),
            "max_price_utok": ENOUGH_UTOK,
            "synthesizer": "candidate",
        },
        "artifact": GOOD.to_archive(),
        "candidate": GOOD.to_archive(),
        "traces": b"",
    }


class Attempt:
    """Sends an order that must be refused, and checks that nothing came of it."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._sent = 0

    def __call__(self, form: Form, caller: tuple[str, str, str] | None) -> httpx.Response:
        secret = None if caller is None else self._service.secret(*caller)
        before = self._state()
        self._sent += 1
        answer = self._service.http(secret).post(
            "/api/v1/orders",
            data={"order": json.dumps(form["order"])},
            files={name: part for name, part in form.items() if name != "order"},
            headers={"Idempotency-Key": f"refused-{id(self)}-{self._sent}"},
        )
        assert self._state() == before
        return answer

    def _state(self) -> Any:
        tables = ("ledger_transfers", "orders", "order_files", "order_work", "http_requests")
        return self._service.counts(*tables, "events", "versions", "gold_tries")


@pytest.fixture(scope="module")
def attempt(service: RunningService) -> Attempt:
    return Attempt(service)


AGENT = ("agent", "acme", "rich")
SHORT = ("agent", "acme", "short")
POOR = ("agent", "acme", "poor")


def test_refusals_come_in_the_documented_order(attempt: Attempt, form: Form) -> None:
    """Begin with everything wrong at once, and set one thing right after another."""
    broken = form | {"artifact": b"no archive"}
    cheap = broken | {"order": form["order"] | {"max_price_utok": 1}}
    steps = [
        (cheap, None, 401, "not_authenticated"),
        (cheap, ("agent", "globex", "poor"), 403, "not_allowed"),
        (cheap, POOR, 402, "wallet_below_threshold"),
        (cheap, SHORT, 402, "max_price_below_quote"),
        (broken, SHORT, 402, "escrow_not_covered"),
        (broken, AGENT, 400, "not_an_archive"),
    ]
    for sent, caller, status, reason in steps:
        answer = attempt(sent, caller)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


@pytest.mark.parametrize("role", ["operator", "auditor", "devops", "evaluator"])
def test_only_those_with_a_wallet_may_order(attempt: Attempt, form: Form, role: str) -> None:
    namespace = "acme" if role in ("devops", "evaluator") else ""
    assert attempt(form, (role, namespace, "")).status_code == 403


def test_a_poor_wallet_is_told_what_it_has_and_what_it_needs(attempt: Attempt, form: Form) -> None:
    problem = attempt(form, POOR).json()
    assert problem["balance_utok"] == POOR_UTOK
    assert problem["threshold_utok"] == THRESHOLD_TOKENS * 10**6
    assert "9.999999" in problem["detail"]


def test_a_wallet_that_was_never_funded_has_nothing(attempt: Attempt, form: Form) -> None:
    answer = attempt(form, ("agent", "acme", "new"))
    assert (answer.status_code, answer.json()["balance_utok"]) == (402, 0)


def test_a_namespace_without_a_budget_cannot_order(attempt: Attempt, form: Form) -> None:
    order = form["order"] | {"artifact": "globex/support-small"}
    answer = attempt(form | {"order": order}, ("team", "globex", ""))
    assert (answer.status_code, answer.json()["reason"]) == (402, "wallet_below_threshold")


def test_a_low_maximum_is_told_the_quote(attempt: Attempt, form: Form) -> None:
    cheap = form | {"order": form["order"] | {"max_price_utok": 1_000_000}}
    problem = attempt(cheap, AGENT).json()
    assert problem["minimum_utok"] > 1_000_000


def test_a_wallet_below_the_escrow_is_told_both(attempt: Attempt, form: Form) -> None:
    problem = attempt(form, SHORT).json()
    assert problem["balance_utok"] == FUNDED_UTOK
    assert problem["escrow_utok"] == ENOUGH_UTOK


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Add members to the good artifact's archive, as no honest packer would."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for path, content in sorted(GOOD.files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        for member, content in members:
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def symlink() -> bytes:
    member = tarfile.TarInfo("secrets")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return archive((member, b""))


def manifest(old: bytes, new: bytes) -> bytes:
    text = GOOD.files["artifact.toml"]
    assert old in text
    return Bundle({**GOOD.files, "artifact.toml": text.replace(old, new)}).to_archive()


def without(path: str) -> bytes:
    return Bundle({p: c for p, c in GOOD.files.items() if p != path}).to_archive()


def order(**changes: Any) -> Callable[[Form], Form]:
    return lambda form: {"order": form["order"] | changes}


TRACE = b'{"id": "1", "at": "2026-01-05T09:00:00Z", "version": "v", "input": {}, "output": {}}\n'

BAD = {
    "no archive": ({"artifact": b"PK\x03\x04"}, 400, "not_an_archive"),
    "half an archive": ({"artifact": GOOD.to_archive()[:100]}, 400, "truncated_archive"),
    "a candidate that is no archive": ({"candidate": b"{}"}, 400, "not_an_archive"),
    "a symbolic link": ({"artifact": symlink()}, 400, "link"),
    "a way out of the folder": (
        {"artifact": archive((tarfile.TarInfo("../escape.py"), b"x"))},
        400,
        "unsafe_path",
    ),
    "an absolute path": (
        {"artifact": archive((tarfile.TarInfo("/etc/x"), b"x"))},
        400,
        "unsafe_path",
    ),
    "a bomb": (
        {"artifact": archive((tarfile.TarInfo("zeros"), bytes(MAX_BUNDLE_BYTES)))},
        400,
        "too_large",
    ),
    "a manifest that is no TOML": (
        {"artifact": manifest(b"[limits]", b"[limits")},
        400,
        "bad_manifest",
    ),
    "no manifest": ({"artifact": without("artifact.toml")}, 400, "manifest_missing"),
    "an unknown kind": ({"artifact": manifest(b'"python"', b'"perl"')}, 400, "bad_manifest"),
    "another artifact": (
        {"artifact": manifest(b"acme/support-small", b"acme/other")},
        400,
        "bad_submission",
    ),
    "a candidate of another artifact": (
        {"candidate": manifest(b"acme/support-small", b"acme/other")},
        400,
        "bad_submission",
    ),
    "another team's artifact": (
        {"artifact": manifest(b"acme/support-small", b"globex/support-small")},
        400,
        "bad_submission",
    ),
    "traces that are no JSON": ({"traces": TRACE + b"{oops\n"}, 400, "bad_traces"),
    "traces that are no text": ({"traces": TRACE + b"\xff\xfe\n"}, 400, "bad_traces"),
    "an unknown dataset": (order(gold=ZERO_DIGEST), 404, "gold_not_found"),
    "no digest": (order(gold="support"), 404, "gold_not_found"),
    "an unknown synthesizer": (order(synthesizer="magic"), 400, "bad_submission"),
    "a candidate for a synthesizer": (order(synthesizer="repair"), 400, "bad_submission"),
    "no maximum": (order(max_price_utok=None), 400, "bad_order"),
    "a fraction": (order(max_price_utok=20_000_000.5), 400, "bad_order"),
    "more than there is": (order(max_price_utok=10**19), 400, "bad_order"),
    "a bad channel": (order(channel="../x"), 400, "bad_order"),
    "a bad name": (order(artifact="acme"), 400, "bad_order"),
    "an unknown field": (order(colour="red"), 400, "bad_order"),
    "a metric that is no number": (order(metrics={"rate": float("nan")}), 400, "bad_order"),
    "an endless metric": (order(metrics={"rate": float("inf")}), 400, "bad_order"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_submission_is_named_and_leaves_no_trace(
    attempt: Attempt, form: Form, what: str
) -> None:
    change, status, reason = BAD[what]
    sent = form | (change(form) if callable(change) else change)
    answer = attempt(sent, AGENT)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bad_trace_names_its_line(attempt: Attempt, form: Form) -> None:
    problem = attempt(form | {"traces": TRACE * 2 + b"\n{oops\n"}, AGENT).json()
    assert problem["line"] == 4
    assert "line 4" in problem["detail"]


def test_a_candidate_that_is_not_there_is_asked_for(attempt: Attempt, form: Form) -> None:
    sent = {name: part for name, part in form.items() if name != "candidate"}
    assert attempt(sent, AGENT).json()["reason"] == "bad_submission"


def test_another_teams_dataset_judges_nothing(
    service: RunningService, attempt: Attempt, form: Form
) -> None:
    order = form["order"] | {"artifact": "globex/support-small"}
    service.operator.set_budget("globex", parent="acme")
    service.operator.allocate("acme", to="wallet:globex", amount_utok=100_000_000, reason="test")
    bundle = manifest(b"acme/support-small", b"globex/support-small")
    sent = form | {"order": order, "artifact": bundle, "candidate": bundle}
    answer = attempt(sent, ("team", "globex", ""))
    assert (answer.status_code, answer.json()["reason"]) == (404, "gold_not_found")


def test_a_synthesizer_of_other_kinds_is_refused_with_those_that_fit(
    attempt: Attempt, form: Form
) -> None:
    sent = {name: part for name, part in form.items() if name != "candidate"}
    sent["order"] = form["order"] | {"synthesizer": "prompt-search"}
    problem = attempt(sent, AGENT).json()
    assert (problem["reason"], problem["kind"]) == ("unsupported_artifact_kind", "python")
    assert "openai and repair do" in problem["detail"]


def test_an_artifact_that_cannot_run_here_is_refused(attempt: Attempt, form: Form) -> None:
    policy = Bundle(
        {
            "artifact.toml": (
                b'name = "acme/support-small"\nkind = "policy"\n'
                b'input_schema = "schema/input.json"\noutput_schema = "schema/output.json"\n'
                b"[limits]\nwall_s = 5.0\nmemory_bytes = 268435456\noutput_bytes = 65536\n"
            ),
            **{path: c for path, c in GOOD.files.items() if path.startswith("schema/")},
        }
    ).to_archive()
    problem = attempt(form | {"artifact": policy}, AGENT).json()
    assert problem["reason"] == "bad_submission", problem
    assert "policy" in problem["detail"]
