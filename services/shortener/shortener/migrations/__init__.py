"""SQL of the shortener's schema, applied in the order of its numbers by chassis.migrate."""
