"""Parts that several pages share: they arrange widgets, and know no page."""
