"""Characters to type, as image and as sound: for browsers without JavaScript, and where the organization prefers it.

The characters travel encrypted in the token that names the image, so that a page costs no row. A token is worth one
answer, right or wrong.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime, timedelta

from captcha.audio import AudioCaptcha
from captcha.image import ImageCaptcha
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from keyback.portal.humancheck.spent import HumanCheckFailed, spend

__all__ = ["LENGTH", "LONGEST_TOKEN", "begin", "complete", "draw", "speak"]

LENGTH = 6
LONGEST_TOKEN = 200
_LIFE = timedelta(minutes=10)
# Without those that look or sound alike: 0 O Q, 1 I L, 2 Z, 5 S, 8 B, U V, M N.
_ALPHABET = "ACDEFGHJKPRTWXY34679"


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(settings.KEYRING.code_hmac("human check", "characters")))


def begin(now: datetime) -> str:
    """A token for new characters."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return _fernet().encrypt_at_time(text.encode(), int(now.timestamp())).decode()


def draw(token: str, now: datetime) -> bytes:
    """The characters as a PNG image. Raises HumanCheckFailed for a token that is not ours or too old."""
    return ImageCaptcha(width=260, height=90).generate(_open(token, now)).getvalue()


def speak(token: str, now: datetime) -> bytes:
    """The characters as a WAV sound, in English. Raises as :func:`draw`."""
    return bytes(AudioCaptcha().generate(_open(token, now)))


def complete(token: str, typed: str, now: datetime) -> None:
    """Returns when the characters were typed rightly, in any case, the first time. Raises HumanCheckFailed."""
    text = _open(token, now)
    # What the token decodes to, not its text: base64 is read leniently, so that one token has many spellings.
    spend(base64.urlsafe_b64decode(token), now + _LIFE, now)
    given = "".join(typed.split()).upper()
    if not hmac.compare_digest(given.encode(), text.encode()):
        raise HumanCheckFailed("other characters")


def _open(token: str, now: datetime) -> str:
    try:
        text = _fernet().decrypt_at_time(token.encode(), int(_LIFE.total_seconds()), int(now.timestamp()))
    except InvalidToken:
        raise HumanCheckFailed("not ours, or too old") from None
    return text.decode()
