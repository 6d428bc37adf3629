"""The workflows that come with the inbox, and `bundle`, which completes them for deployment."""
