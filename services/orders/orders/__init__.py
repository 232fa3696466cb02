"""An order pipeline: orders are taken, a saga carries each to one terminal state."""
