#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What lockstepd.service keeps away, tried by a process that systemd has started in the daemon's place.

Prints one line for each attempt: its name, and "refused" or "possible". A system call that is filtered out ends a child
(SIGSYS), which is what "refused" means for it.
"""
import ctypes
import errno
import mmap
import os
import signal
import socket

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "system call %d" % number)


def suid_file():
    path = "/run/lockstep/probe"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def executable_memory():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


NEWUSER, NEWNET = 0x10000000, 0x40000000
attempts = {
    "write /usr": lambda: write("/usr/probe"),
    "write /etc": lambda: write("/etc/probe"),
    "write /var": lambda: write("/var/probe"),
    "write /var/log": lambda: write("/var/log/probe"),
    "write /run": lambda: write("/run/probe"),
    "see /home": lambda: os.listdir("/home/alice"),
    "see the others' /tmp": lambda: os.stat("/tmp/not-yours"),
    "write kernel tunables": lambda: write("/proc/sys/kernel/hostname"),
    "write control groups": lambda: os.mkdir("/sys/fs/cgroup/probe"),
    "an Internet socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a user namespace": lambda: call(272, NEWUSER),
    "a network namespace": lambda: call(272, NEWNET),
    "a set-user-ID file": suid_file,
    "executable memory": executable_memory,
    "another personality": lambda: call(135, 8),
    "mount": lambda: call(165, b"none", b"/run/lockstep", b"tmpfs", 0, None),
    "reboot": lambda: call(169, 0, 0, 0, None),
    "ptrace": lambda: call(101, 0, 0, 0, 0),
    "a kernel module": lambda: call(175, None, 0, b""),
    "set the clock": lambda: call(227, 0, None),
    "another user": lambda: os.setuid(0),
    "a device": lambda: os.mknod("/run/lockstep/probe-device", 0o20600, os.makedev(1, 3)),
    # And what it needs, as a check of the check.
    "write /run/lockstep": lambda: (write("/run/lockstep/probe"), os.unlink("/run/lockstep/probe")),
    "write /run/lockstep-guests": lambda: (write("/run/lockstep-guests/probe"), os.unlink("/run/lockstep-guests/probe")),
    "write /var/lib/lockstep": lambda: (write("/var/lib/lockstep/probe"), os.unlink("/var/lib/lockstep/probe")),
    "write /var/log/lockstep": lambda: (write("/var/log/lockstep/probe"), os.unlink("/var/log/lockstep/probe")),
    "write /dev/shm": lambda: (write("/dev/shm/probe"), os.unlink("/dev/shm/probe")),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4),
    "real-time scheduling": lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
}


def attempt(function):
    """True if it could be done."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except OSError as e:
            # These two are of arguments that were looked at, so the call itself was let through.
            os._exit(0 if e.errno in (errno.EINVAL, errno.EFAULT) else 1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGSYS:
        raise SystemExit("ended by signal %d" % os.WTERMSIG(status))
    return status == 0


if __name__ == "__main__":
    for name, function in attempts.items():
        print("%s: %s" % (name, "possible" if attempt(function) else "refused"), flush=True)
