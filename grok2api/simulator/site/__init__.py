"""The site as clients meet it: its chat socket, its chat stream, its other pages."""
