"""The rules of short links, pure: no clock, no network, no database."""
