"""Real servers for the tests: each starts on loopback, and is stopped by its own process id or thread."""
