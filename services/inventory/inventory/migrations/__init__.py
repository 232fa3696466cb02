"""SQL of the inventory schema, applied in the order of its numbers by chassis.migrate."""
