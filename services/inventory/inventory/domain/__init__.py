"""Stock and reservations as values: what a command makes of them, without a database."""
