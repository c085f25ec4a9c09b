"""What ``keyback agent check`` finds out: the way to the portal, the directory, the rights, and who could be reset.

Nothing here writes to the directory or takes requests; a check may run beside the agent, or before it is onboarded.
"""
