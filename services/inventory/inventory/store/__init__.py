"""The SQL of inventory: one literal statement a function."""
