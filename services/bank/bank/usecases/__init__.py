"""What the bank does; transactions begin and end here."""
