"""What starts, loads, measures and reports; it knows no proxy by name."""
