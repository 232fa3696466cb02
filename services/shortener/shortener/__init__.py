"""The URL shortener: links, redirects, clicks."""
