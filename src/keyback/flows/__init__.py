"""Pure state tables. A flow is a dict from (state, event) to state; a missing key is the illegal move."""

from keyback.flows.recovery import Event, IllegalMove, State, advance

__all__ = ["Event", "IllegalMove", "State", "advance"]
