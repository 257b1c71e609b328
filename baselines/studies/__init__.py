"""Studies of features, in the terms of section 3.1 of the paper: who shows in them, or what."""
