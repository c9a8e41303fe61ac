"""What is on the wire: frames that the site sends, payloads that it takes."""
