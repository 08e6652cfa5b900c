"""A local Notion workspace and a local Claude over real HTTP. Stands apart: imports no app of the product."""
