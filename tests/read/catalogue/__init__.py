"""The catalogue of odd files: docs/odd-files.md says what becomes of each kind, the makers here make it."""
