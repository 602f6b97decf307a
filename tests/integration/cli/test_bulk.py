"""Many orders by one command, against a whole service: no bad item stops it, none is twice."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import cli
from tests.fakes.bulk_items import HOPELESS, adder
from tests.fakes.running_service import TEAM, RunningService, running, settings

GRANT_UTOK = 2_000_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(settings(tmp_path_factory.mktemp("service"))) as service:
        service.fund(grant_utok=0)
        service.operator.allocate(TEAM, to=f"wallet:{TEAM}", amount_utok=GRANT_UTOK, reason="test")
        yield service


class Ended:
    def __init__(self, service: RunningService, arguments: Sequence[str]) -> None:
        environment = {"AEM_URL": service.url, "AEM_API_KEY": service.secret("team", TEAM)}
        self.result = CliRunner().invoke(cli, ["bulk", *arguments], env=environment)
        self.code, self.out = self.result.exit_code, self.result.stdout

    def json(self) -> Any:
        return json.loads(self.out)


def bulk(service: RunningService, folders: Sequence[Path], *options: str) -> Ended:
    return Ended(service, [*map(str, folders), "--max-price", "90", *options])


def orders_of(service: RunningService) -> int:
    return service.counts("orders")["orders"]


def test_good_and_bad_items_end_each_for_itself(service: RunningService, tmp_path: Path) -> None:
    mended = adder(tmp_path / "mended", "acme/mended")
    hopeless = adder(tmp_path / "hopeless", "acme/hopeless", HOPELESS)
    foreign = adder(tmp_path / "foreign", "globex/foreign")
    no_gold = adder(tmp_path / "no-gold", "acme/no-gold")
    (no_gold / "gold").rename(tmp_path / "gone")
    broken = adder(tmp_path / "broken", "acme/broken")
    (broken / "artifact" / "artifact.toml").write_text("name = ")
    typo = adder(tmp_path / "typo", "acme/typo")
    (typo / "gold" / "gold.toml").write_text("name = 'acme/typo-gold'\n")
    folders = [no_gold, mended, broken, hopeless, foreign, typo]

    ended = bulk(service, folders, "--json", "--parallel", "3")

    assert ended.code == 1
    told = ended.json()
    assert [item["folder"] for item in told["items"]] == list(map(str, folders))
    by_name = {Path(item["folder"]).name: item for item in told["items"]}
    assert {name: item["outcome"] for name, item in by_name.items()} == {
        "mended": "accepted",
        "hopeless": "rejected",
        **dict.fromkeys(("no-gold", "broken", "foreign", "typo"), "refused"),
    }
    assert told["counts"] == {"accepted": 1, "rejected": 1, "refused": 4}
    assert {name: item["exit_code"] for name, item in by_name.items()} == {
        "mended": 0,
        "hopeless": 1,
        "no-gold": 7,
        "broken": 7,
        "foreign": 3,
        "typo": 7,
    }
    assert by_name["no-gold"]["reason"] == "bad_item"
    assert by_name["hopeless"]["reason"]
    order = service.team.order(by_name["mended"]["order"])
    assert (order["price_utok"], order["outcome"]) == (by_name["mended"]["price_utok"], "accepted")
    assert by_name["mended"]["price_utok"] > 0


def test_a_second_run_orders_nothing_twice(service: RunningService, tmp_path: Path) -> None:
    folders = [adder(tmp_path / name, f"acme/twice-{name}") for name in ("one", "two")]
    first = bulk(service, folders, "--json")
    assert first.code == 0, first.result.output
    before = orders_of(service)
    again = bulk(service, folders, "--json")
    assert (again.code, again.json()) == (0, first.json())
    assert orders_of(service) == before
    (folders[0] / "traces.jsonl").write_text("\n")
    changed = bulk(service, folders, "--json").json()
    ids = [[item["order"] for item in told["items"]] for told in (first.json(), changed)]
    assert ids[0][0] != ids[1][0]
    assert ids[0][1] == ids[1][1]
    assert orders_of(service) == before + 1


def test_a_log_has_a_line_for_each_item_and_a_table_at_the_end(
    service: RunningService, tmp_path: Path
) -> None:
    folders = [adder(tmp_path / "good", "acme/log"), tmp_path / "empty"]
    folders[1].mkdir()
    ended = bulk(service, [*folders, folders[0]])
    lines = ended.out.splitlines()
    assert {line.partition("]")[0] for line in lines[:2]} == {"[1/2", "[2/2"}
    assert any("acme/log accepted, " in line for line in lines[:2])
    assert any("refused: bad_item" in line and "has no folder" in line for line in lines[:2])
    assert lines[2].startswith("1 accepted, 1 refused")
    assert [cell.strip() for cell in lines[3].split("│")] == [
        *("artifact", "outcome", "reason", "tokens", "seconds")
    ]


def test_a_service_that_is_not_there_is_told_of_every_item(
    service: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "url", "http://127.0.0.1:9")
    folders = [adder(tmp_path / name, f"acme/{name}") for name in ("one", "two")]
    ended = bulk(service, folders, "--json")
    assert ended.code == 8
    assert ended.json()["counts"] == {"unreachable": 2}
