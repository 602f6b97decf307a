"""The gold dataset: all cases, from the wheels and a seed, in the folder format of the service."""

import json
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from corpus.adversaries import AdversaryMaker
from corpus.artifacts import load_artifact
from corpus.chats import Chat, Composer
from corpus.oddities import structure_cases
from corpus.scripts import played, read_scripts
from corpus.sources import (
    attack_rows,
    dealt,
    noise_passages,
    presidio_templates,
    small_talk_threads,
)
from corpus.templates import Bucket, dealt_buckets, own_templates
from corpus.wheels import WheelCache

EXAMPLE = Path(__file__).parents[1]
ARTIFACT = EXAMPLE / "artifact"
STATIC = EXAMPLE / "gold"

ROBUSTNESS_BUCKETS = 20
CHATS_PER_BUCKET = 12
TRACE_BUCKETS = 3
INVARIANT_BUCKETS = 6
INVARIANTS_PER_BUCKET = 5
CHATS_PER_SCENARIO = 5
CASES_PER_ODDITY = 3
MIN_TURNS, MAX_TURNS = 5, 60
DEAL_SEED = 20
"""Which templates and threads lie in which bucket is the same for gold and for traces, so that
they share none, whatever their own seeds are."""

Case = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that cases are made of.

    Attributes:
        buckets: by purpose, disjoint.
        small_talk: turns for the scripted chats, which no bucket has.
        passages: long noise, which all chats may have.
    """

    buckets: dict[str, list[Bucket]]
    small_talk: Bucket
    passages: list[str]


def read_material(wheels: WheelCache) -> Material:
    """Read the wheels and deal what they hold."""
    rng = random.Random(DEAL_SEED)
    purposes = {
        "robustness": ROBUSTNESS_BUCKETS,
        "traces": TRACE_BUCKETS,
        "invariant": INVARIANT_BUCKETS,
    }
    names = [f"{name}:{number:02d}" for name, count in purposes.items() for number in range(count)]
    hands = dealt(small_talk_threads(wheels), len(names) + 1, rng)
    threads = [thread for hand in hands[1:] for thread in hand]
    buckets = dealt_buckets([*presidio_templates(wheels), *own_templates()], threads, names, rng)
    scripted = tuple(turn for thread in hands[0] for turn in thread)
    return Material(
        buckets={
            purpose: [each for each in buckets if each.name.startswith(purpose)]
            for purpose in purposes
        },
        small_talk=Bucket(name="scripts", templates=(), small_talk=scripted),
        passages=noise_passages(wheels),
    )


def build_dataset(wheels: WheelCache, into: Path, *, seed: int) -> dict[str, int]:
    """Write the dataset and return how many cases each file has.

    The folder is replaced. The same wheels, artifact and seed give the same bytes.
    """
    material = read_material(wheels)
    files = {
        "structure": structure_cases(CASES_PER_ODDITY, random.Random(f"structure {seed}")),
        "invariant": _invariant_cases(material, seed),
        "scenario": _scenario_cases(material, seed),
        "robustness": _robustness_cases(material, seed),
        "adversarial": _adversarial_cases(material, wheels, seed),
    }
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(STATIC, into)
    (into / "schema").mkdir()
    shutil.copyfile(ARTIFACT / "schema" / "output.json", into / "schema" / "output.json")
    (into / "cases").mkdir()
    for name, cases in files.items():
        write_lines(into / "cases" / f"{name}.jsonl", cases)
    return {name: len(cases) for name, cases in files.items()}


def write_lines(path: Path, values: Iterable[Case]) -> None:
    """Write JSON Lines."""
    lines = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def bucket_chats(
    bucket: Bucket, passages: list[str], count: int, rng: random.Random
) -> Iterable[tuple[Chat, list[str]]]:
    """Yield long, noisy chats of one bucket, each with its tags."""
    for number in range(count):
        noise = (0.0, 0.04, 0.12)[number % 3]
        composer = Composer(bucket, passages, rng=rng, oddity=0.40, noise=noise)
        turns = rng.randint(MIN_TURNS, MAX_TURNS)
        telling = min(turns, rng.randint(3, 5) + turns // 6)
        chat = composer.chat(turns=turns, telling=telling)
        yield chat, [f"turns:{turns}", f"noise:{noise}"]


def _robustness_cases(material: Material, seed: int) -> list[Case]:
    cases: list[Case] = []
    for bucket in material.buckets["robustness"]:
        rng = random.Random(f"{bucket.name} {seed}")
        chats = bucket_chats(bucket, material.passages, CHATS_PER_BUCKET, rng)
        for number, (chat, tags) in enumerate(chats):
            cases.append(
                {
                    "id": f"{bucket.name}/{number}",
                    "type": "robustness",
                    "group": bucket.name,
                    "input": chat.input_json(),
                    "entities": chat.entities_json(),
                    "tags": tags,
                }
            )
    return cases


def _invariant_cases(material: Material, seed: int) -> list[Case]:
    """Return short chats that the first version answers rightly: these must stay so.

    Equation (8) protects what works, so the artifact itself says which chats qualify; the
    expected output is exact by construction all the same.
    """
    run = load_artifact(ARTIFACT)
    cases: list[Case] = []
    for bucket in material.buckets["invariant"]:
        rng = random.Random(f"{bucket.name} {seed}")
        composer = Composer(bucket, material.passages, rng=rng, oddity=0.1)
        kept: list[Case] = []
        while len(kept) < INVARIANTS_PER_BUCKET:
            chat = composer.chat(turns=rng.randint(2, 8), telling=2)
            expected = {"entities": chat.entities_json(), "refusal": None}
            if run(chat.input_json()) == expected:
                kept.append(
                    {
                        "id": f"{bucket.name}/{len(kept)}",
                        "type": "invariant",
                        "group": bucket.name,
                        "input": chat.input_json(),
                        "expected": expected,
                    }
                )
        cases += kept
    return cases


def _scenario_cases(material: Material, seed: int) -> list[Case]:
    cases: list[Case] = []
    for scenario in read_scripts().scenarios:
        rng = random.Random(f"{scenario.name} {seed}")
        composer = Composer(material.small_talk, material.passages, rng=rng, oddity=0.25)
        for number in range(CHATS_PER_SCENARIO):
            chat = played(scenario.lines, composer, rng)
            cases.append(
                {
                    "id": f"scenario/{scenario.name}/{number}".replace(" ", "-"),
                    "type": "scenario",
                    "group": f"scenario:{scenario.name}",
                    "input": chat.input_json(),
                    "rules": list(scenario.rules),
                    "expected": {"entities": chat.entities_json()},
                }
            )
    return cases


def _adversarial_cases(material: Material, wheels: WheelCache, seed: int) -> list[Case]:
    rng = random.Random(f"adversarial {seed}")
    attacks, controls = attack_rows(wheels)
    scripts = read_scripts()
    composer = Composer(material.small_talk, material.passages, rng=rng, oddity=0.2)
    maker = AdversaryMaker(scripts, composer, controls, rng)
    cases: list[Case] = []
    for number, attack in enumerate(attacks):
        cases += maker.attack_cases(attack, number=number)
    for number in range(len(scripts.falsehoods)):
        cases += maker.falsehood_cases(number)
    return cases
