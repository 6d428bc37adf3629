"""The HTTP side: Google's REST paths, callback endpoints, metadata server and OpenID provider."""
