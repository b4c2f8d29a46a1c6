"""How far from equilibrium a trained model works (Sect. IV B)."""
