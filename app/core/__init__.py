"""What the pages share and no page shows by itself: cases, jobs, readings, pictures, plots."""
