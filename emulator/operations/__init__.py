"""What the operations of a compiled step do when a thread comes to them."""
