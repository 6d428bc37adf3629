"""Tests of both halves: the inbox and the emulator."""
