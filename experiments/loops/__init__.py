"""What more hidden layers do at equal numbers of parameters."""
