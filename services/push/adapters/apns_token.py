"""The token by which APNs knows us: a JSON Web Token with ES256, reused while it holds.

Apple takes a new one at most every 20 minutes and none that is older than an hour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import jwt

REUSE_SECONDS: Final = 3000.0
"""50 minutes."""
_KEY_ID: Final = re.compile(rb"\s*([A-Za-z0-9]{10})\s*")


class ApnsToken:
    """Signs a token when the last one has become old."""

    def __init__(
        self, private_key: str, key_id: str, team_id: str, *, wall_clock: Callable[[], float]
    ) -> None:
        """`private_key`: PEM (PKCS #8), as Apple gives it. ValueError for anything else."""
        self._private_key = private_key
        self._key_id = key_id
        self._team_id = team_id
        self._wall_clock = wall_clock
        self._signed_at = 0.0
        self._token = ""
        self.current()  # a key that is none is found at the start

    def current(self) -> str:
        """One that holds."""
        now = self._wall_clock()
        if not self._token or not 0 <= now - self._signed_at < REUSE_SECONDS:
            try:
                self._token = jwt.encode(
                    {"iss": self._team_id, "iat": int(now)},
                    self._private_key,
                    algorithm="ES256",
                    headers={"kid": self._key_id},
                )
            except (jwt.PyJWTError, TypeError, ValueError):
                raise ValueError("the key for APNs is no EC key in PEM") from None
            self._signed_at = now
        return self._token

    def refused(self, token: str) -> None:
        """APNs says that this one has expired (clocks differ): the next one is new."""
        if token == self._token:
            self._token = ""


def read_key_id(content: bytes) -> str:
    """The key's id in a file. ValueError when there is none."""
    found = _KEY_ID.fullmatch(content)
    if found is None:
        raise ValueError("the file of the key's id for APNs does not hold 10 letters and digits")
    return found[1].decode()
