"""Training an ensemble from the host, and measuring it."""
