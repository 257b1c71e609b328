"""One file for each kind of table."""
