"""What all messages have in common: frozen, closed, and read strictly."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keyback.protocol.errors import Malformed

__all__ = ["B64", "KeyId", "Message", "Seq", "Text", "Version", "parse"]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Text = Annotated[str, Field(max_length=256)]
B64 = Annotated[str, Field(max_length=20_000, pattern=r"^[A-Za-z0-9_-]*$")]
Seq = Annotated[int, Field(ge=0, le=2**62)]
Version = Annotated[int, Field(ge=0, le=2**32)]
KeyId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


M = TypeVar("M", bound=Message)


def parse(model: type[M], data: bytes) -> M:
    """The message in ``data``. Raises Malformed, whose text names fields and never values."""
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in error.errors()[:5])
        raise Malformed(places) from None
