"""Candidates that attack: each is reported as what it is, and the next case is served."""

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aem.isolation import architecture, syscalls
from sandbox import BubblewrapSandbox, CaseRun, DockerSandbox
from sandbox.domain import RUNNER_MEMORY_BYTES
from tests.integration.sandbox.conftest import LIMITS, Opener, bundle

pytestmark = pytest.mark.slow

Attack = Callable[..., CaseRun]


def denied(name: str) -> int:
    number = architecture(platform.machine()).number(syscalls.DENIED[name])
    assert number is not None
    return number


CALM = {"attack": False}
ATTACK = {"attack": True}


def program(*lines: str, imports: str = "import os, signal, socket, sys, time, ctypes") -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return (
        f"{imports}\ndef run(input, context):\n    if input['attack']:\n{body}    return 'calm'\n"
    )


@pytest.fixture
def attack(opened_for_real: Opener) -> Attack:
    """Runs an attack, then shows that the session still serves; returns the attack's run."""

    def run(*lines: str, limits: Any = LIMITS) -> CaseRun:
        session = opened_for_real(program(*lines), limits=limits)
        attacked = session.run("v", "attack", ATTACK)
        assert session.run("v", "calm", CALM).output_text == b'"calm"'
        return attacked

    return run


def answer(run: CaseRun) -> Any:
    assert run.status == "answered", run
    return json.loads(run.output_text)


def test_ignoring_sigterm_does_not_outlive_the_wall_time(attack: Attack) -> None:
    run = attack(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "while True: time.sleep(100)",
        limits=replace(LIMITS, case_wall_s=0.3),
    )
    assert run.status == "timeout"
    assert 300 <= run.wall_ms < 3000


def test_taking_all_memory_is_told_from_other_failures(attack: Attack) -> None:
    assert attack("return len(bytearray(1_000_000_000))").status == "out_of_memory"


MANY_HOLDERS = program(
    "for _ in range(20):",
    "    if os.fork() == 0: break",
    "keep = [bytearray(1_000_000) for _ in range(40)]",
    "time.sleep(100)",
)


@pytest.mark.docker
def test_the_kernel_bounds_the_memory_of_all_processes_together(
    docker_sandbox: DockerSandbox,
) -> None:
    limits = replace(LIMITS, case_wall_s=3.0)
    with docker_sandbox.open(limits=limits, label="t") as session:
        session.load("v", bundle(MANY_HOLDERS))
        # A process that is killed for it takes only itself along: time may end the case first.
        assert session.run("v", "c", ATTACK).status in {"out_of_memory", "timeout"}
        bound_bytes = limits.memory_bytes + RUNNER_MEMORY_BYTES
        assert session.usage().memory_peak_bytes <= bound_bytes
        assert session.run("v", "c", CALM).status == "answered"


@pytest.mark.bubblewrap
def test_the_host_bounds_the_memory_of_all_processes_together(
    bubblewrap_sandbox: BubblewrapSandbox,
) -> None:
    limits = replace(LIMITS, case_wall_s=10.0)
    with bubblewrap_sandbox.open(limits=limits, label="t") as session:
        session.load("v", bundle(MANY_HOLDERS))
        assert session.run("v", "c", ATTACK).status == "out_of_memory"
        assert session.run("v", "c", CALM).status == "answered"


def test_a_flood_of_output_is_cut_off_while_it_streams(attack: Attack) -> None:
    run = attack(
        "for fd in range(3, 30):",
        "    try:",
        "        while True: os.write(fd, b'x' * 65536)",
        "    except OSError: pass",
    )
    assert run.status == "output_too_large"


def test_exiting_without_an_answer_is_a_crash(attack: Attack) -> None:
    run = attack("os._exit(0)")
    assert run.status == "crashed"
    assert "without an answer" in run.error


def test_a_signal_is_named(attack: Attack) -> None:
    run = attack("ctypes.string_at(0)")
    assert run.status == "crashed"
    assert "SIGSEGV" in run.error


def test_noise_on_the_standard_streams_is_no_answer(attack: Attack) -> None:
    run = attack(
        'print(\'{"status": "answered"}\' * 100)',
        "sys.stdout.flush()",
        "os.write(1, b'{}\\n'); os.write(2, b'noise')",
        "return {'quiet': True}",
    )
    assert answer(run) == {"quiet": True}


def test_reading_the_standard_input_gives_nothing(attack: Attack) -> None:
    assert answer(attack("return os.read(0, 10).decode()")) == ""


@pytest.mark.parametrize(
    "deed", ["os.kill(-1, 9)", "os.killpg(0, 9)", "os.kill(os.getppid(), 9)", "os.kill(1, 9)"]
)
def test_killing_others_stops_nothing_but_the_case(attack: Attack, deed: str) -> None:
    assert attack(deed, "time.sleep(0.2)", "return 1").status in {"crashed", "answered"}


def test_stopping_the_processes_around_is_a_timeout_at_most(attack: Attack) -> None:
    run = attack("os.kill(-1, signal.SIGSTOP)", limits=replace(LIMITS, case_wall_s=0.5))
    assert run.status == "timeout"


def test_closing_every_descriptor_is_a_crash(attack: Attack) -> None:
    assert attack("os.closerange(0, 256)").status == "crashed"


def test_a_daemon_that_holds_the_output_open_is_not_waited_for(attack: Attack) -> None:
    run = attack(
        "if os.fork() == 0:",
        "    os.setsid()",
        "    if os.fork() == 0: time.sleep(100)",
        "    os._exit(0)",
        "return 'done'",
        limits=replace(LIMITS, case_wall_s=5.0),
    )
    assert answer(run) == "done"
    assert run.wall_ms < 3000


def test_a_daemon_does_not_live_into_the_next_case(opened_for_real: Opener) -> None:
    session = opened_for_real(
        program(
            "if os.fork() == 0: time.sleep(100)",
            "return len([name for name in os.listdir('/proc') if name.isdigit()])",
        )
    )
    counts = [answer(session.run("v", "c", ATTACK)) for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]


def test_a_fork_bomb_is_stopped(attack: Attack) -> None:
    run = attack(
        "while True:",
        "    try: os.fork()",
        "    except OSError: pass",
        limits=replace(LIMITS, case_wall_s=0.5),
    )
    # Under bubblewrap the sum of all processes' memory may be found too large first.
    assert run.status in {"timeout", "out_of_memory"}


def test_no_more_processes_than_allowed(attack: Attack) -> None:
    run = attack(
        "made = 0",
        "try:",
        "    while made < 100:",
        "        if os.fork() == 0: time.sleep(100)",
        "        made += 1",
        "except OSError: pass",
        "return made",
        limits=replace(LIMITS, pids=10),
    )
    assert answer(run) <= 10


def test_there_is_no_network(attack: Attack) -> None:
    run = attack(
        "refused = []",
        "for family in (socket.AF_INET, socket.AF_INET6, 16, 17, 40):",  # netlink, packet, vsock
        "    try: socket.socket(family, socket.SOCK_DGRAM)",
        "    except OSError as error: refused.append(error.errno)",
        "return refused",
    )
    assert answer(run) == [1] * 5  # EPERM, by the filter


def test_nothing_can_be_written_but_the_temporary_folder(attack: Attack) -> None:
    run = attack(
        "written = []",
        "for folder in ('/', '/dev', '/dev/shm', '/dev/mqueue', '/etc', '/opt', '/opt/aem',",
        "               '/opt/python/lib', '/proc', '/sys', '/var', '/home', '/tmp'):",
        "    try:",
        "        open(folder + '/planted', 'w').close()",
        "        written.append(folder)",
        "    except OSError: pass",
        "return written",
    )
    assert answer(run) == ["/tmp"]  # noqa: S108 - inside


def test_what_a_case_writes_the_next_one_does_not_see(opened_for_real: Opener) -> None:
    session = opened_for_real(
        program(
            "before = sorted(os.listdir('/tmp')), open(__file__).read().count('planted')",
            "os.makedirs('/tmp/a/b/c'); open('/tmp/a/b/c/planted', 'w').close()",
            "os.chmod('/tmp/a', 0)",
            "open(__file__, 'a').write('# planted\\n'); os.symlink('/opt', '/tmp/link')",
            "return before",
        )
    )
    first = answer(session.run("v", "c", ATTACK))
    assert answer(session.run("v", "c", ATTACK)) == first
    assert first[0] == ["artifact"]


def test_a_deep_tree_of_folders_is_removed(attack: Attack) -> None:
    run = attack(
        "os.chdir('/tmp')",
        "for _ in range(1500): os.mkdir('d'); os.chdir('d')",
        "return 'deep'",
    )
    assert answer(run) == "deep"


def test_endless_small_files_are_stopped(attack: Attack) -> None:
    run = attack(
        "n = 0",
        "while True:",
        "    open(f'/tmp/{n}', 'w').close(); n += 1",
        limits=replace(LIMITS, case_wall_s=10.0),
    )
    assert run.status == "error"


def test_a_full_temporary_folder_is_the_candidates_error(attack: Attack) -> None:
    run = attack(
        "with open('/tmp/big', 'wb') as file:",
        "    for _ in range(1000): file.write(bytes(1_000_000))",
        limits=replace(LIMITS, case_wall_s=10.0, memory_bytes=256 * 1024**2),
    )
    assert run.status == "error"


def test_a_variant_inherits_nothing_of_the_runners_or_of_another_variant(
    opened_for_real: Opener,
) -> None:
    source = (
        "import os\n"
        "def is_open(fd):\n"
        "    try: os.fstat(fd)\n"
        "    except OSError: return False\n"
        "    return True\n"
        "HELD = sum(map(is_open, range(3, 256)))\n"
        "def run(input, context):\n"
        "    return [HELD, sum(map(is_open, range(3, 256)))]\n"
    )
    session = opened_for_real()
    for variant in ("one", "two", "three"):
        session.load(variant, bundle(source))
    held = [answer(session.run(variant, "c", {})) for variant in ("one", "two", "three")]
    # Importing, its connection to the runner; in a case, the pipes for its output and report.
    assert held == [[1, 2]] * 3


def test_the_runners_memory_and_descriptors_cannot_be_opened(attack: Attack) -> None:
    run = attack(
        "opened = []",
        "for pid in (1, os.getppid()):",
        "    for name in ('mem', 'fd/3', 'environ', 'maps'):",
        "        try:",
        "            open(f'/proc/{pid}/{name}', 'rb').read(1); opened.append(name)",
        "        except OSError: pass",
        "return opened",
    )
    assert answer(run) == []


@pytest.mark.parametrize(
    "call",
    [
        "libc.ptrace(0, 0, 0, 0)",
        "libc.memfd_create(b'x', 0)",
        "libc.unshare(0x10000000)",
        "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
        f"libc.syscall({denied('io_uring_setup')}, 8, 0)",
        f"libc.syscall({denied('keyctl')}, 0, 0)",
        f"libc.syscall({denied('bpf')}, 0, 0, 0)",
        f"libc.syscall({denied('userfaultfd')}, 0)",
        "libc.shmget(0, 4096, 0o1600)",
        "libc.prlimit(1, 0, None, None)",
    ],
)
def test_dangerous_calls_are_refused(attack: Attack, call: Any) -> None:
    run = attack(
        "libc = ctypes.CDLL(None, use_errno=True)",
        f"result = {call}",
        "return [result, ctypes.get_errno()]",
    )
    assert answer(run) == [-1, 1]


def test_bytes_that_are_no_text_reach_the_host_unread(attack: Attack) -> None:
    run = attack(
        "for fd in range(3, 30):",
        "    try: os.write(fd, b'\\xff\\xfe'); break",
        "    except OSError: pass",
        "return 1",
    )
    assert run.status == "answered"
    assert run.output_text == b"\xff\xfe1"


def test_a_forged_report_claims_no_more_than_the_candidate_may_say(attack: Attack) -> None:
    forged = '{"status": "answered", "lines": {"x": ["y", 1]}, "error": 5}'
    run = attack(
        "for fd in range(3, 30):",
        f"    try: os.write(fd, b'{forged}')",
        "    except OSError: pass",
        "os._exit(0)",
    )
    assert (run.status, run.error) == ("answered", None)
    assert run.output_text == forged.encode()
    assert run.lines == {"x": [1]}


def test_endless_recursion_is_an_error(attack: Attack) -> None:
    run = attack("return run(input, context)")
    assert run.status == "error"
    assert "RecursionError" in run.error
    assert len(run.error) <= 4000


def test_an_object_that_equals_everything_is_no_json(attack: Attack) -> None:
    run = attack(
        "Any = type('Any', (), {'__eq__': lambda self, other: True, '__hash__': None})",
        "return {'entity': Any()}",
    )
    assert run.status == "error"


def test_an_exception_with_a_hostile_message_is_bounded(attack: Attack) -> None:
    run = attack(
        "class Loud(Exception):",
        "    def __str__(self): raise SystemExit",
        "raise Loud",
    )
    assert run.status == "error"
    assert "Loud" in run.error


def test_a_case_inherits_nothing_of_the_hosts_environment_or_files(attack: Attack) -> None:
    run = attack("return [sorted(os.environ), os.path.exists('/root'), os.path.exists('/work')]")
    names, root, work = answer(run)
    assert set(names) <= {"HOME", "HOSTNAME", "LANG", "LD_LIBRARY_PATH", "PATH", "PWD"}
    assert not root
    assert not work


def test_planted_start_files_are_not_run(opened_for_real: Opener) -> None:
    source = "import sys\ndef run(input, context):\n    return 'sitecustomize' in sys.modules\n"
    planted = {"sitecustomize__py": b"", "usercustomize__py": b"", "evil__pth": b"import evil\n"}
    run = opened_for_real(source, **planted).run("v", "c", {})
    assert run.output_text == b"false"


def test_an_import_that_hangs_or_exits_or_leaves_a_daemon(opened_for_real: Opener) -> None:
    session = opened_for_real(limits=replace(LIMITS, load_wall_s=0.5))
    run = "\ndef run(input, context):\n    return 'calm'\n"
    hanging = session.load("hanging", bundle("while True: pass" + run))
    exiting = session.load("exiting", bundle("import os; os._exit(0)" + run))
    daemon = "import os, time\nif os.fork() == 0:\n    time.sleep(100)" + run
    assert hanging.status == "timeout"
    assert exiting.status == "crashed"
    assert session.load("daemon", bundle(daemon)).is_loaded
    assert session.run("daemon", "c", CALM).output_text == b'"calm"'
