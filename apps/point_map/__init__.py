"""A map of up to millions of points, drawn by the browser's WebGL: columns of bytes in, a click or a polygon back.

encoding    what is to be drawn, as bytes
events      what the browser tells, checked
component   the Streamlit component; its scripts and styles lie beside it
"""
