"""How Django writes what nobody formats by hand, by language."""
