"""Looking at a model: arrays in, numbers or plotly figures out. No page is made here."""
