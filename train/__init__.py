"""Training programs: recipes over one loop. Run as `python -m train.NAME`."""
