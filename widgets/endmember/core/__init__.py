"""The spectrum image, the estimators and the mathematics around them."""
