"""A Notion workspace that answers as Notion's API 2026-03-11 does. `routes.py` is the way in."""
