"""The plumbing every service shares; it knows no business noun and imports no service."""
