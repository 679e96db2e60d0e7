"""The system-call filter: what a submission's process may ask the kernel for.

It is a list of what is allowed. A call that is not on it fails: with EPERM where it is an
old one, and with ENOSYS where it is one of the newer ones or one that no kernel has yet,
so that libraries fall back to what they did before there was such a call.
"""

import ctypes
import os
import socket
import struct

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables below, and the architecture's number in the filter."""
EPERM, EACCES, ENOTTY, ENOSYS = 1, 13, 25, 38
NEWER = 424
"""From here on, numbers are the same on all machines, and libraries expect ENOSYS."""

# Numbers on x86_64 and aarch64; -1 where there is no such call.
ALLOWED = {
    # files
    "read": (0, 63),
    "write": (1, 64),
    "open": (2, -1),
    "close": (3, 57),
    "stat": (4, -1),
    "fstat": (5, 80),
    "lstat": (6, -1),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, -1),
    "sendfile": (40, 71),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "getdents": (78, -1),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "rename": (82, -1),
    "mkdir": (83, -1),
    "rmdir": (84, -1),
    "creat": (85, -1),
    "link": (86, -1),
    "unlink": (87, -1),
    "symlink": (88, -1),
    "readlink": (89, -1),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "umask": (95, 166),
    "utime": (132, -1),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "getdents64": (217, 61),
    "fadvise64": (221, 223),
    "utimes": (235, -1),
    "openat": (257, 56),
    "mkdirat": (258, 34),
    "newfstatat": (262, 79),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "readlinkat": (267, 78),
    "fchmodat": (268, 53),
    "faccessat": (269, 48),
    "utimensat": (280, 88),
    "fallocate": (285, 47),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "renameat2": (316, 276),
    "copy_file_range": (326, 285),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "statx": (332, 291),
    "close_range": (436, 436),
    "faccessat2": (439, 439),
    # descriptors and waiting
    "poll": (7, -1),
    "pipe": (22, -1),
    "select": (23, -1),
    "dup": (32, 23),
    "dup2": (33, -1),
    "epoll_create": (213, -1),
    "epoll_wait": (232, -1),
    "epoll_ctl": (233, 21),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "epoll_pwait": (281, 22),
    "eventfd": (284, -1),
    "eventfd2": (290, 19),
    "epoll_create1": (291, 20),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "epoll_pwait2": (441, 441),
    # memory
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "msync": (26, 227),
    "mincore": (27, 232),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    # signals
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pause": (34, -1),
    "kill": (62, 129),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "tkill": (200, 130),
    "restart_syscall": (219, 128),
    "tgkill": (234, 131),
    # time
    "nanosleep": (35, 101),
    "getitimer": (36, 102),
    "alarm": (37, -1),
    "setitimer": (38, 103),
    "gettimeofday": (96, 169),
    "times": (100, 153),
    "time": (201, -1),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    # threads and the process itself
    "sched_yield": (24, 124),
    "getpid": (39, 172),
    "exit": (60, 93),
    "wait4": (61, 260),
    "uname": (63, 160),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "getpgrp": (111, -1),
    "getgroups": (115, 158),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getpriority": (140, 141),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "setrlimit": (160, 164),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "exit_group": (231, 94),
    "waitid": (247, 95),
    "set_robust_list": (273, 99),
    "prlimit64": (302, 261),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "rseq": (334, 293),
    # between ends of a pair within the process
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "shutdown": (48, 210),
    "bind": (49, 200),
    "listen": (50, 201),
    "getsockname": (51, 204),
    "getpeername": (52, 205),
    "setsockopt": (54, 208),
    "getsockopt": (55, 209),
    "accept4": (288, 242),
}
IOCTL, PRCTL = (16, 29), (157, 167)
CLONE, SOCKET, SOCKETPAIR = (56, 220), (41, 198), (53, 199)
TERMINAL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Harmless requests to a descriptor: is it a terminal, how much is there, flags."""
PR_SET_SECCOMP, PR_SET_NAME, CLONE_THREAD = 22, 15, 0x00010000

LOAD, EQUAL, AT_LEAST, ANY_BIT, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24
"""Where in the kernel's record of a call its parts stand."""


def program(machine: str) -> bytes:
    """Assemble the filter for a machine.

    A process of a submission may start threads and no process, and has sockets of the
    Unix family and of no other.
    """
    column, architecture = MACHINES[machine]

    def statement(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    def only(number: int, part: int, tests: list[bytes], error: int) -> list[bytes]:
        """Allow a call where one of the tests of an argument holds."""
        rules = [statement(LOAD, part)]
        for test in tests:
            rules += [test, statement(GIVE, ALLOW)]
        rules.append(statement(GIVE, REFUSE | error))
        return [statement(EQUAL, number, 0, len(rules)), *rules]

    unix = [statement(EQUAL, socket.AF_UNIX, 0, 1)]
    rules = [
        statement(LOAD, ARCHITECTURE),
        statement(EQUAL, architecture, 1, 0),
        statement(GIVE, KILL),
        statement(LOAD, NUMBER),
        statement(AT_LEAST, 0x40000000, 0, 1),  # the x32 numbers
        statement(GIVE, REFUSE | EPERM),
    ]
    for numbers in ALLOWED.values():
        if numbers[column] >= 0:
            rules += [statement(EQUAL, numbers[column], 0, 1), statement(GIVE, ALLOW)]
    rules += only(CLONE[column], FIRST, [statement(ANY_BIT, CLONE_THREAD, 0, 1)], EPERM)
    rules += only(SOCKET[column], FIRST, unix, EACCES)
    rules += only(SOCKETPAIR[column], FIRST, unix, EACCES)
    rules += only(PRCTL[column], FIRST, [statement(EQUAL, PR_SET_NAME, 0, 1)], EPERM)
    rules += only(
        IOCTL[column], SECOND, [statement(EQUAL, request, 0, 1) for request in TERMINAL], ENOTTY
    )
    rules += [
        statement(AT_LEAST, NEWER, 0, 1),
        statement(GIVE, REFUSE | ENOSYS),
        statement(GIVE, REFUSE | EPERM),
    ]
    return b"".join(rules)


def install() -> None:
    """Put this process, and all its threads to come, under the filter.

    Raises
    ------
    OSError
        Where the kernel does not take it, or there is none for this machine.
    """
    machine = os.uname().machine
    if machine not in MACHINES:
        raise OSError(f"there is no system-call filter for {machine}")
    rules = program(machine)
    buffer = ctypes.create_string_buffer(rules)
    head = struct.pack("HxxxxxxP", len(rules) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, 2, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
