"""SQL of the orders schema, applied in the order of its numbers by chassis.migrate."""
