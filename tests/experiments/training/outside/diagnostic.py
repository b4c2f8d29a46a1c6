"""A diagnostic from outside of the library."""

from experiments.training.diagnostics import Diagnostic


def spread(model, summary):
    """Of the weights of x -> z."""
    return model.parameters.w_bar.std()


weight_spread = Diagnostic("weight_spread", "nats", "spread of the weights", spread)
