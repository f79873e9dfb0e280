"""What the pages and the demo stand on: cases, jobs, readings, pictures, figures. Knows no page."""
