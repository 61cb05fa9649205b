"""Telling people before a date passes: what to tell (`watch`), in which words (`message`), and by mail (`post`)."""
