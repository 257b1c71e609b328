"""The paper's hybrid network: ANet (space), stacked LSTMs (time) and their fusion."""
