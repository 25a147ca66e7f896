"""Becomes another program that cannot outlive its parent: `python launch.py PARENT PROGRAM ARGS`.

The kernel is asked to kill this process when the parent ends (PR_SET_PDEATHSIG), which survives
the exec. So a supervisor that is killed by SIGKILL, and can clean up nothing, leaves nothing
behind. SIGKILL and not SIGTERM: nobody would be there to wait, and every part of Whimbrel
promises to survive it.

Why a program of its own and not `preexec_fn`: that runs Python in a fork of a process with
threads (grpc has several), which can deadlock; it also runs grpc's fork handlers. An exec'd
launcher costs 20 ms and cannot.

Two traps. The signal comes when the *thread* that forked ends, so children are spawned from a
thread that lives as long as they shall: asyncio spawns in the loop's thread. And the parent may
be dead before the call: then the parent is another process by now, and we leave.

It runs with `python -I -S` and must import nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_STARTED = 127


def main(arguments: list[str]) -> None:
    parent, program = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} has ended")
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    main(sys.argv[1:])
