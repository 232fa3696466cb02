"""What inventory does; its transactions begin and end here, but for the consumer's."""
