"""What to run: the suite file, its lines, and its meaning."""
