"""The second paper in one command: oscillator networks that generate data."""

from experiments.oscillators.command import command

if __name__ == "__main__":
    command()
