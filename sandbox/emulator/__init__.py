"""The emulator of AWS, ministack, with one small module for each gap between it and AWS."""
