"""A mail server that keeps what it gets and shows it: somebody else's system, for demo and tests."""
