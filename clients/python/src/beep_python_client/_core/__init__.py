"""What the blocking and the asynchronous client share. Nothing here does input or output."""
