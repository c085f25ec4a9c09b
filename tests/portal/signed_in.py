"""Somebody who is signed in, and what they proved in this session."""

from collections.abc import Sequence

from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Page, Walker


def sign_in(walker: Walker, user_id: str = "cleo@example.test", proved: Sequence[str] = ()) -> Page:
    """With the password, as on the pages; ``proved``: methods, as if they had been proved afterwards."""
    page = walker.get("/sign-in")
    page = walker.post("/sign-in", page.forms["/sign-in"] | {"user_id": user_id})
    page = walker.post("/sign-in/password", page.forms["/sign-in/password"] | {"password": OLD_PASSWORD})
    session = walker.client.session
    session["signed_in"] = session["signed_in"] | {"proved": ["password", *proved]}
    session.save()
    return page
