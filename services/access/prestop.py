"""The preStop hook: `python -m services.access.prestop`. Tells the pod to empty itself and blocks
until it is empty, or its deadline is over. Kubernetes sends SIGTERM after that.

Exit status 0 in both cases, 1 when the pod could not be asked: SIGTERM begins the drain then.
"""

from __future__ import annotations

import socket
import sys

from services.access.settings import AccessSettings
from whimbrel.runtime.settings_loading import SettingsError, load_settings

_MARGIN_SECONDS = 10.0


def main() -> int:
    """Ask, and pass on what the pod says."""
    try:
        drain = load_settings(AccessSettings).drain
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return 1
    if drain.socket is None:
        sys.stderr.write("WHIMBREL_DRAIN__SOCKET is not set: SIGTERM alone begins the drain\n")
        return 1
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(drain.deadline_seconds + _MARGIN_SECONDS)
            connection.connect(str(drain.socket))
            connection.sendall(f"drain {drain.deadline_seconds:g}\n".encode())
            with connection.makefile() as lines:
                for line in lines:
                    sys.stdout.write(line)
                    if line.startswith("error"):
                        return 1
    except OSError as error:
        sys.stderr.write(f"{drain.socket}: {error}; SIGTERM begins the drain\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
