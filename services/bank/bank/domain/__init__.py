"""What needs no database: cards, charges, faults."""
