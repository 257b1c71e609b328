"""The same table as Markdown, CSV and LaTeX."""
