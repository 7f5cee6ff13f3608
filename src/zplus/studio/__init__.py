"""The studio: a page on this machine to edit a photo with sliders. What a visitor does is here, the page is thin."""

MAX_SLIDERS = 16  # of the page; of a model with more directions the first ones are shown
AS_IT_IS = -1  # the number of no face: the picture is cut already
