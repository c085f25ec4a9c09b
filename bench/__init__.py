"""``make bench``: every figure as a ratio to the directory's own speed, or to a peer, within one run."""
