#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system with one file, "stuck", on which whoever writes hangs and cannot be killed, as on a dead disk.

usage: hang-fs.py DIRECTORY

Speaks just enough of FUSE: a write is read from the kernel and never answered, and the kernel lets nobody go whose
request is being worked at.  It ends with this process.
"""

import ctypes
import os
import struct
import sys

LOOKUP, GETATTR, SETATTR, OPEN, WRITE, INIT, INTERRUPT = 1, 3, 4, 14, 16, 26, 36
HEADER_IN, HEADER_OUT = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
ENOENT, ENOSYS = 2, 38


def attributes(node):
    mode = 0o40755 if node == 1 else 0o100666
    return struct.pack("<QQQQQQIIIIIIIIII", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body):
    """What the kernel hears: a negative errno, bytes, or nothing at all."""
    if opcode == INIT:
        major, minor, readahead = struct.unpack_from("<III", body)
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), readahead, 0, 12, 9, 65536, 1, 0, 0, 0)
    if opcode == LOOKUP:
        if body.rstrip(b"\0") != b"stuck":
            return -ENOENT
        return struct.pack("<QQQQII", 2, 1, 60, 60, 0, 0) + attributes(2)
    if opcode in (GETATTR, SETATTR):
        return struct.pack("<QII", 60, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack("<QII", 1, 1, 0)  # FOPEN_DIRECT_IO: no cache takes the write
    if opcode in (WRITE, INTERRUPT):
        return None
    return -ENOSYS


def main():
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"hang-fs", sys.argv[1].encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    while True:
        message = os.read(fd, 1 << 20)
        _, opcode, unique, node, _, _, _, _ = HEADER_IN.unpack_from(message)
        said = answer(opcode, node, message[HEADER_IN.size:])
        if said is not None:
            error, said = (said, b"") if isinstance(said, int) else (0, said)
            os.write(fd, HEADER_OUT.pack(HEADER_OUT.size + len(said), error, unique) + said)


main()
