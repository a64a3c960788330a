"""What the results of a study say: effects of factors, differences to a base, trends."""
