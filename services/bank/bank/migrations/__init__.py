"""SQL of the book, applied in the order of its numbers by chassis.migrate."""
