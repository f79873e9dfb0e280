"""The user interface: arranges widgets, computes nothing."""
