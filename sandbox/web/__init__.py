"""The workspace as a person sees it: plain pages and forms, no script."""
