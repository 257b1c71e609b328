"""Tables, figures and the page, from what a run folder holds."""
