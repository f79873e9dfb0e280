"""The pages, one file each, and what they arrange widgets with."""
