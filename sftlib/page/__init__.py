"""The page of a build: templates, and drawings made of SVG elements."""
