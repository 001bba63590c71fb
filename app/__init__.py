"""Joins the parts: command line, window, connections. The only package that knows all the others."""
