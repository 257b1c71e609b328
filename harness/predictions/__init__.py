"""Other people's predictions of our datasets' frames, and our models' of other people's videos."""
