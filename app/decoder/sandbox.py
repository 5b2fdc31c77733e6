"""Sandbox of a decoder process: resource limits, no_new_privs, Landlock, and a seccomp filter of system calls.

A hostile image may take over the C libraries that decode it. Then it can only use what this module leaves. All of it
needs no rights: no_new_privs permits an ordinary user to install the rest. The calls go through ctypes, because the
packages for them need libseccomp or a compiler. See docs/decisions/0006-decoder-sandbox.md.
"""

import ctypes
import os
import resource
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MAX_OPEN_FILES = 16  # files
LIBC = ctypes.CDLL(None, use_errno=True)

# From linux/prctl.h, linux/seccomp.h, linux/audit.h, linux/landlock.h.
PR_SET_NAME, PR_SET_NO_NEW_PRIVS = 15, 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1  # TSYNC: in all threads of the process
SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 8, 16  # ESRCH: TSYNC reports a failure as an error
KILL_PROCESS, ERRNO, USER_NOTIF, ALLOW = 0x8000_0000, 0x0005_0000, 0x7FC0_0000, 0x7FFF_0000
ENOSYS = 38  # errno
X32_BIT = 0x4000_0000  # set in the numbers of x86-64's second interface, of which the filter knows no call
LANDLOCK_CREATE_RULESET_VERSION = 1  # flag

# From linux/filter.h: classic BPF. The data are struct seccomp_data.
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in bytes
INSTRUCTION = struct.Struct("=HBBI")

CLONE_THREAD, CLONE_NEW = 0x0001_0000, 0x7E02_0000  # flags: a thread, and any new name space
F_DUPFD_CLOEXEC = 1030  # command of fcntl
PROT_EXEC = 4  # flag


class Machine(NamedTuple):
    """Numbers that differ between processors. `column` is that of the tables, the last three are system calls."""

    column: int
    audit_architecture: int
    seccomp: int
    landlock_create_ruleset: int
    landlock_restrict_self: int


MACHINES = {
    "x86_64": Machine(0, 0xC000_003E, 317, 444, 446),
    "aarch64": Machine(1, 0xC000_00B7, 277, 444, 446),
}


Instruction = tuple[int, int, int, int]
Table = dict[str, tuple[int | None, int | None]]  # numbers on x86-64 and aarch64


class Condition(NamedTuple):
    """A part of an argument that must have a value. `half` is 0 for the lower 32 bits, and 1 for the upper ones."""

    argument: int
    half: int
    mask: int
    value: int


# System calls that a decoder may make, with their numbers. The most frequent come first. No call
# takes a path, because the libraries open all their files before the filter is there.
ALLOWED: Table = {
    "futex": (202, 98),
    "setitimer": (38, 103),
    "recvmsg": (47, 212),  # from the service, through the socket
    "sendto": (44, 206),
    "brk": (12, 214),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "read": (0, 63),
    "write": (1, 64),  # messages of the libraries, to stderr
    "writev": (20, 66),
    "close": (3, 57),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "clone": (56, 220),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "prctl": (157, 167),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),  # qsort of glibc asks for the size of the memory, and cannot handle an error
    "prlimit64": (302, 261),
    "kill": (62, 129),
    "tgkill": (234, 131),  # abort() sends the process a signal
    "exit": (60, 93),
    "exit_group": (231, 94),
}

# Arguments that these calls must have, and what the filter does if they have others.
CONDITIONS: dict[str, tuple[tuple[Condition, ...], int]] = {
    "mmap": ((Condition(2, 0, PROT_EXEC, 0),), ERRNO | ENOSYS),
    "mprotect": ((Condition(2, 0, PROT_EXEC, 0),), ERRNO | ENOSYS),
    "fcntl": ((Condition(1, 0, 0xFFFF_FFFF, F_DUPFD_CLOEXEC),), ERRNO | ENOSYS),  # Python's mmap copies a descriptor
    "prctl": ((Condition(0, 0, 0xFFFF_FFFF, PR_SET_NAME),), ERRNO | ENOSYS),
    "clone": ((Condition(0, 0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD),), KILL_PROCESS),
    # A process may read its limits. It must not set them, nor read those of others.
    "prlimit64": (
        (Condition(0, 0, 0xFFFF_FFFF, 0), Condition(2, 0, 0xFFFF_FFFF, 0), Condition(2, 1, 0xFFFF_FFFF, 0)),
        KILL_PROCESS,
    ),
}

# System calls that no decoder makes, but an attacker would. They end the process at once. The log then says so. The
# filter rejects every other call as unknown (ENOSYS). A library tries another way then, so a new libc ends no decoder.
FORBIDDEN: Table = {
    # Network
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # Programs and processes
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setrlimit": (160, 164),
    # Parts of the kernel that had many holes
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "personality": (135, 92),
    # Name spaces and file systems
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
}


def enter(address_space: int, worker: socket.socket) -> dict[str, object]:
    """Confine this process for the rest of its life, and return what is active, and what is missing and why.

    `address_space` is in bytes. The process opens no file afterwards, so every library has to be loaded before. The
    worker gets one byte and, if this kernel has it, the listener of app/decoder/thread_limit.py.
    """
    active: list[str] = []
    missing: dict[str, str] = {}
    for name, confine in {
        "limits": lambda: limit(address_space),
        "no_new_privs": _no_new_privileges,
        "landlock": _landlock,
        "thread limit": lambda: _ask_for_threads(worker),
        "seccomp": _seccomp,
    }.items():
        try:
            active.append(name + (confine() or ""))
        except (OSError, ValueError) as error:
            missing[name] = getattr(error, "strerror", None) or str(error)
    return {"active": active, "missing": missing}


def limit(address_space: int) -> None:
    """Set hard limits, which only a privileged process can raise. A limit of the environment stays if it is smaller.

    RLIMIT_NPROC is not among them. It counts all threads of the user, in other processes and containers too, and does
    not hold for root. See app/decoder/thread_limit.py.
    """
    with suppress(OSError):  # if memory runs out, the kernel ends this process first. Only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, wanted in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_AS, address_space),
    ):
        hard = resource.getrlimit(kind)[1]
        maximum = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (maximum, maximum))


def program(machine: Machine) -> bytes:
    """Return the seccomp filter: instructions of classic BPF."""
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, machine.audit_architecture),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL_PROCESS),
    ]
    own = {name: ((Condition(0, 0, 0xFFFF_FFFF, os.getpid()),), KILL_PROCESS) for name in ("kill", "tgkill")}
    conditions = CONDITIONS | own
    for name, numbers in ALLOWED.items():
        checks, otherwise = conditions.get(name, ((), 0))
        rule = []
        for argument, half, mask, value in checks:
            rule += [
                (LOAD, 0, 0, ARGUMENTS + 8 * argument + 4 * half),
                (AND, 0, 0, mask),
                (EQUAL, 1, 0, value),
                (RETURN, 0, 0, otherwise),
            ]
        code += _rule(numbers[machine.column], [*rule, (RETURN, 0, 0, ALLOW)])
    for numbers in FORBIDDEN.values():
        code += _rule(numbers[machine.column], [(RETURN, 0, 0, KILL_PROCESS)])
    code.append((RETURN, 0, 0, ERRNO | ENOSYS))
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in code)


def thread_program(machine: Machine) -> bytes:
    """Return the filter that asks the listener before `clone`. The other filter decides about all the rest."""
    code = [
        (LOAD, 0, 0, NUMBER),
        *_rule(ALLOWED["clone"][machine.column], [(RETURN, 0, 0, USER_NOTIF)]),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in code)


def _rule(number: int | None, body: list[Instruction]) -> list[Instruction]:
    """Return instructions that run the body if the system call has this number."""
    return [] if number is None else [(EQUAL, 0, len(body), number), *body]


def _no_new_privileges() -> None:
    if sys.platform != "linux":
        raise OSError(0, f"not available on {sys.platform}")
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _landlock() -> str:
    """Forbid every access to files by their path, to TCP ports, and to processes outside. Return the version."""
    machine = _machine()
    version = _call("syscall", machine.landlock_create_ruleset, None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    # Each version knows more rights. A ruleset without rules forbids all those that it names.
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    rights = ctypes.create_string_buffer(struct.pack("=QQQ", files, 3 * (version >= 4), 3 * (version >= 6)))
    ruleset = _call("syscall", machine.landlock_create_ruleset, rights, struct.calcsize("=QQQ"), 0)
    try:
        _call("syscall", machine.landlock_restrict_self, ruleset, 0)
    finally:
        os.close(ruleset)
    return f" {version}"


def _ask_for_threads(worker: socket.socket) -> None:
    """Send the worker the listener that decides about each new thread. The filter of _seccomp() forbids to send it."""
    flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER
    try:
        listener = _install(thread_program(_machine()), flags)
    except OSError:
        worker.sendall(b"\0")
        raise
    try:
        socket.send_fds(worker, [b"\0"], [listener])
    finally:
        os.close(listener)


def _seccomp() -> None:
    _install(program(_machine()), SECCOMP_FILTER_FLAG_TSYNC)


def _install(filter: bytes, flags: int) -> int:
    """Add a filter of system calls. Return the listener, if the flags ask for one."""
    code = ctypes.create_string_buffer(filter)
    count = len(code) // INSTRUCTION.size
    pointer = ctypes.create_string_buffer(struct.pack("@HP", count, ctypes.addressof(code)))
    return _call("syscall", _machine().seccomp, SECCOMP_SET_MODE_FILTER, flags, pointer)


def _machine() -> Machine:
    """Return the numbers of this processor. Raises OSError if they are not known."""
    name = os.uname().machine
    if sys.platform != "linux" or name not in MACHINES or sys.maxsize < 2**32:
        raise OSError(0, f"not available on {sys.platform} {name}")
    return MACHINES[name]


def _call(function: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call a function of libc. Raises OSError."""
    passed = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = getattr(LIBC, function)(*passed)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
