"""Makes what the documentation site takes from the code: pages of the reference, and pictures of the product."""
