"""Run directories: what a run writes, each file whole, and how it goes on."""
