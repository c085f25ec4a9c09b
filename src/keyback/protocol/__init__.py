"""What portal and agent say to each other: messages, limits, versions, signatures, sealing. No I/O."""
