"""The framework: data, protocols, metrics, plan, engine, store. It knows no method by name."""
