"""Stock and reservations, never negative."""
