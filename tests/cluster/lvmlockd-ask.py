#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Asks lvmlockd as the commands of LVM do (libdaemon's text protocol on its socket), for what they ask for only when they
# can activate volumes:
#	lvmlockd-ask.py REQUEST [KEY=VALUE...]
# Prints the result, 0 or a negative errno, and exits with 0 when there was one.
import socket
import sys

SOCKET = "/run/lvm/lvmlockd.socket"
END = b"\n##\n"


def ask(connection, request, fields):
    lines = ['request = "%s"' % request]
    for key, value in fields:
        lines.append("%s = %s" % (key, value if value.isdigit() else '"%s"' % value))
    connection.sendall("\n".join(lines).encode() + END)
    answer = b""
    while not answer.endswith(END):
        part = connection.recv(4096)
        if not part:
            sys.exit("lvmlockd has closed the connection")
        answer += part
    return answer.decode()


def main():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(SOCKET)
    ask(connection, "hello", [])
    fields = [("cmd", "test"), ("pid", "1")]
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        fields.append((key, value))
    for line in ask(connection, sys.argv[1], fields).splitlines():
        key, _, value = line.partition(" = ")
        if key == "op_result":
            print(value)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
