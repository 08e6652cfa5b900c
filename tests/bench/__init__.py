"""`make bench`: the product's own figures, measured on real engines, real HTTP and real processes."""
