"""The paper's hybrid network: ANet (space), stacked LSTMs (time), their fusion, and their training."""
