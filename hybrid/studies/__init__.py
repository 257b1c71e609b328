"""Studies of trained networks: what their layers look for, and where they look."""
