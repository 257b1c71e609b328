"""Official on-disk layouts of the AU datasets, one file each, for reading and for writing."""
