"""How times look in the console, by locale."""
