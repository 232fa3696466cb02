"""The SQL of the bank: one literal statement a function."""
