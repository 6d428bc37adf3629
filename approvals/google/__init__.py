"""The only package that opens sockets to Google, or to its emulator; it knows no approvals."""
