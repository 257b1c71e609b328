"""What the command line's verbs do, room by room."""
