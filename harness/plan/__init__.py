"""From a suite to the jobs that fill its cells."""
