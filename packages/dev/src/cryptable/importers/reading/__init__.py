"""What several importers read alike: labels, trees, linear predictors."""
