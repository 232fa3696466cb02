"""Notices on order events, by e-mail and webhook."""
