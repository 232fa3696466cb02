"""SQL of the notifications schema, applied in the order of its numbers by chassis.migrate."""
