"""Runnable experiments: data in, run directories with tables and figures out."""
