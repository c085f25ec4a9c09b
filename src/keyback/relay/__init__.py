"""The agents' door: agents authenticate, wait for work, return outcomes, push people. It touches the database only when
a call starts and ends, and calls the portal's functions for everything it decides."""
