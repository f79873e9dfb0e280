"""The pages, one file each; what several of them share is in `parts`."""
