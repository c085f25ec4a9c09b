"""What a person does to sign in."""

from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Page, Walker

__all__ = ["name", "sign_in", "type_password"]


def name(walker: Walker, user_id: str, path: str = "/sign-in") -> Page:
    page = walker.get(path)
    return walker.post("/sign-in", page.forms["/sign-in"] | {"user_id": user_id})


def type_password(walker: Walker, page: Page, password: str) -> Page:
    return walker.post("/sign-in/password", page.forms["/sign-in/password"] | {"password": password})


def sign_in(walker: Walker, user_id: str, password: str = OLD_PASSWORD, path: str = "/sign-in") -> Page:
    return type_password(walker, name(walker, user_id, path), password)
