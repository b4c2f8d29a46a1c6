"""What every step of the past adds to the gradient, and where cycles come from."""
