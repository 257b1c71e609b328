"""Data at rest and in motion: prepared datasets, frame sets, feature files, official layouts."""
