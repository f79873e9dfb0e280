"""The share-link demo: a visitor's study, what is shown of it, and the page."""
