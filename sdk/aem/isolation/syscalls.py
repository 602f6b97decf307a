"""The system calls that a candidate may not make, with their numbers per architecture.

Numbers are the kernel's own (``unistd_64.h`` and ``asm-generic/unistd.h``); ``None`` where an
architecture never had the call. The list holds what a container engine's default profile refuses
to a process without capabilities, and what still got around the profile's flags when it was
tried: io_uring, ``memfd_create`` (a file to execute where every mount is noexec), and System V
and POSIX IPC objects, which outlive the process that made them and so leak from case to case.
"""

from typing import NamedTuple


class Numbers(NamedTuple):
    """A system call's number on each architecture that is supported."""

    x86_64: int | None
    aarch64: int | None


DENIED: dict[str, Numbers] = {
    "acct": Numbers(x86_64=163, aarch64=89),
    "add_key": Numbers(x86_64=248, aarch64=217),
    "bpf": Numbers(x86_64=321, aarch64=280),
    "chroot": Numbers(x86_64=161, aarch64=51),
    "clock_adjtime": Numbers(x86_64=305, aarch64=266),
    "clock_settime": Numbers(x86_64=227, aarch64=112),
    "create_module": Numbers(x86_64=174, aarch64=None),
    "delete_module": Numbers(x86_64=176, aarch64=106),
    "fanotify_init": Numbers(x86_64=300, aarch64=262),
    "finit_module": Numbers(x86_64=313, aarch64=273),
    "fsconfig": Numbers(x86_64=431, aarch64=431),
    "fsmount": Numbers(x86_64=432, aarch64=432),
    "fsopen": Numbers(x86_64=430, aarch64=430),
    "fspick": Numbers(x86_64=433, aarch64=433),
    "get_kernel_syms": Numbers(x86_64=177, aarch64=None),
    "get_mempolicy": Numbers(x86_64=239, aarch64=236),
    "init_module": Numbers(x86_64=175, aarch64=105),
    "io_uring_setup": Numbers(x86_64=425, aarch64=425),
    "ioperm": Numbers(x86_64=173, aarch64=None),
    "iopl": Numbers(x86_64=172, aarch64=None),
    "kcmp": Numbers(x86_64=312, aarch64=272),
    "kexec_file_load": Numbers(x86_64=320, aarch64=294),
    "kexec_load": Numbers(x86_64=246, aarch64=104),
    "keyctl": Numbers(x86_64=250, aarch64=219),
    "lookup_dcookie": Numbers(x86_64=212, aarch64=18),
    "mbind": Numbers(x86_64=237, aarch64=235),
    "memfd_create": Numbers(x86_64=319, aarch64=279),
    "memfd_secret": Numbers(x86_64=447, aarch64=447),
    "migrate_pages": Numbers(x86_64=256, aarch64=238),
    "modify_ldt": Numbers(x86_64=154, aarch64=None),
    "mount": Numbers(x86_64=165, aarch64=40),
    "mount_setattr": Numbers(x86_64=442, aarch64=442),
    "move_mount": Numbers(x86_64=429, aarch64=429),
    "move_pages": Numbers(x86_64=279, aarch64=239),
    "mq_open": Numbers(x86_64=240, aarch64=180),
    "msgget": Numbers(x86_64=68, aarch64=186),
    "name_to_handle_at": Numbers(x86_64=303, aarch64=264),
    "nfsservctl": Numbers(x86_64=180, aarch64=42),
    "open_by_handle_at": Numbers(x86_64=304, aarch64=265),
    "open_tree": Numbers(x86_64=428, aarch64=428),
    "perf_event_open": Numbers(x86_64=298, aarch64=241),
    "personality": Numbers(x86_64=135, aarch64=92),
    "pidfd_getfd": Numbers(x86_64=438, aarch64=438),
    "pivot_root": Numbers(x86_64=155, aarch64=41),
    "process_madvise": Numbers(x86_64=440, aarch64=440),
    "process_vm_readv": Numbers(x86_64=310, aarch64=270),
    "process_vm_writev": Numbers(x86_64=311, aarch64=271),
    "ptrace": Numbers(x86_64=101, aarch64=117),
    "query_module": Numbers(x86_64=178, aarch64=None),
    "quotactl": Numbers(x86_64=179, aarch64=60),
    "quotactl_fd": Numbers(x86_64=443, aarch64=443),
    "reboot": Numbers(x86_64=169, aarch64=142),
    "request_key": Numbers(x86_64=249, aarch64=218),
    "semget": Numbers(x86_64=64, aarch64=190),
    "set_mempolicy": Numbers(x86_64=238, aarch64=237),
    "set_mempolicy_home_node": Numbers(x86_64=450, aarch64=450),
    "setdomainname": Numbers(x86_64=171, aarch64=162),
    "sethostname": Numbers(x86_64=170, aarch64=161),
    "setns": Numbers(x86_64=308, aarch64=268),
    "settimeofday": Numbers(x86_64=164, aarch64=170),
    "shmat": Numbers(x86_64=30, aarch64=196),
    "shmget": Numbers(x86_64=29, aarch64=194),
    "swapoff": Numbers(x86_64=168, aarch64=225),
    "swapon": Numbers(x86_64=167, aarch64=224),
    "sysfs": Numbers(x86_64=139, aarch64=None),
    "syslog": Numbers(x86_64=103, aarch64=116),
    "umount2": Numbers(x86_64=166, aarch64=39),
    "unshare": Numbers(x86_64=272, aarch64=97),
    "uselib": Numbers(x86_64=134, aarch64=None),
    "userfaultfd": Numbers(x86_64=323, aarch64=282),
    "ustat": Numbers(x86_64=136, aarch64=None),
    "vhangup": Numbers(x86_64=153, aarch64=58),
    "vmsplice": Numbers(x86_64=278, aarch64=75),
}

SOCKET = Numbers(x86_64=41, aarch64=198)
SOCKETPAIR = Numbers(x86_64=53, aarch64=199)
CLONE = Numbers(x86_64=56, aarch64=220)
CLONE3 = Numbers(x86_64=435, aarch64=435)
PRLIMIT64 = Numbers(x86_64=302, aarch64=261)

FIRST_UNKNOWN = 463
"""Calls from here on were added after this list was written (mseal, in Linux 6.10, is 462)."""
