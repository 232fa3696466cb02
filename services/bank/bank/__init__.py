"""The simulated card processor: a durable book, and every way in which a far end fails."""
