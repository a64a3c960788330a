"""Analyses of the results of a study: effects of factors, differences to a base, trends."""
