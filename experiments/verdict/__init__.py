"""Which of the paper's findings hold, against equilibrium models of the same data."""
