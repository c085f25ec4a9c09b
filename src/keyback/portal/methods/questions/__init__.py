"""Questions to which only this person knows the answers."""
