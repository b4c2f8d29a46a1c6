"""What one would write instead of the library, for the benchmark."""
