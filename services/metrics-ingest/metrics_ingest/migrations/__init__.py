"""SQL of the metrics_ingest schema, applied in the order of its numbers by chassis.migrate."""
