"""What a call is answered with: the directive language, named faults, the queue, the prose."""
