"""Where things lie: affines to patient millimetres, the upright orientation, grids, boxes and resampling."""
