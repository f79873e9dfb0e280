"""Widgets of our own, with their JavaScript."""
