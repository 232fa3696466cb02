"""Metrics ingestion whose acknowledgement means something."""
