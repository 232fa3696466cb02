"""SQL of the payments schema, applied in the order of its numbers by chassis.migrate."""
