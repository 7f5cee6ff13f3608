"""The studio: a page on this machine to edit a photo with sliders. What a visitor does is here, the page is thin."""
